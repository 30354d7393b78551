// The live stream: pause, what came meanwhile, and a bounded number of changes on the page.
(() => {
  const MOST = 200;
  let paused = false;
  let connected = false;
  let waiting = []; // parts that came while paused, oldest first
  let leftOut = 0; // changes that had no room among them

  const find = (id) => document.getElementById(id);
  const count = (html) => html.split(" data-change>").length - 1;
  const countAll = (html) => count(html) + Number(html.match(/ data-left-out="(\d+)"/)?.[1] ?? 0);
  const sum = (counts) => waiting.reduce((before, html) => before + counts(html), 0);

  const show = () => {
    const button = find("live-pause");
    const state = find("live-state");
    if (!button || !state) return;
    const news = leftOut + sum(countAll);
    button.hidden = false;
    button.textContent = paused ? "Go on" : "Pause";
    state.textContent = paused ? `Paused: ${news.toLocaleString("en")} new` : connected ? "Live" : "Connecting again";
    // Who has paused it knows it: a screen reader need not read each new number.
    state.setAttribute("aria-live", paused ? "off" : "polite");
    state.className = `badge ${paused ? "warn" : connected ? "good" : ""}`;
  };

  const tidy = () => {
    find("no-changes")?.remove();
    const changes = find("changes").querySelectorAll(":scope > [data-change]");
    if (changes.length <= MOST) return;
    const last = changes[MOST - 1];
    while (last.nextElementSibling) last.nextElementSibling.remove();
    find("older").textContent = `The page keeps the newest ${MOST} changes: reload it to go back further.`;
  };

  document.addEventListener("htmx:sse:before:message", (event) => {
    const { message } = event.detail;
    if (!paused || !message?.data) return;
    event.preventDefault();
    event.detail.cancelled = true;
    waiting.push(message.data);
    while (waiting.length > 1 && sum(count) > MOST) leftOut += countAll(waiting.shift());
    show();
  });
  // Leaving the page ends the stream: without this it would be an error in the browser's console.
  let connection = null;
  document.addEventListener("htmx:sse:before:connection", (event) => { connection = event.detail.connection; });
  addEventListener("pagehide", () => connection?.abortController?.abort());

  document.addEventListener("htmx:sse:after:connection", () => { connected = true; show(); });
  document.addEventListener("htmx:sse:error", () => { connected = false; show(); });
  document.addEventListener("htmx:sse:close", () => { connected = false; show(); });
  document.addEventListener("htmx:sse:after:message", tidy);

  document.addEventListener("click", (event) => {
    if (event.target.id !== "live-pause") return;
    paused = !paused;
    if (!paused) {
      if (leftOut) {
        const note = document.createElement("p");
        note.className = "alert left-out";
        note.textContent = `${leftOut.toLocaleString("en")} older changes came meanwhile and are not shown: reload the page and scroll back to see them.`;
        find("changes").prepend(note);
      }
      // Parts of this server, which escapes what is in them; htmx swaps them in the same way.
      for (const html of waiting) find("changes").insertAdjacentHTML("afterbegin", html);
      waiting = [];
      leftOut = 0;
      tidy();
    }
    show();
  });
})();
