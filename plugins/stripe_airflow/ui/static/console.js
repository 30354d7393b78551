// What all pages need: links out of the frame, dialogs, times, messages.
(() => {
  const framed = window.parent !== window;

  // Airflow's frame allows neither popups nor its own pages inside: the parent opens them.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-leaves]");
    if (link && !event.defaultPrevented) {
      event.preventDefault();
      (framed ? window.parent : window).open(link.href, "_blank", "noopener");
    }
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens)?.showModal();
    const closer = event.target.closest("[data-closes]");
    if (closer) closer.closest("dialog")?.close();
  });

  // A link that answers to one key press would be lost in the frame: Ctrl-click opens it in a tab too.
  document.addEventListener("auxclick", (event) => {
    const link = event.target.closest("a[data-leaves]");
    if (link && event.button === 1 && framed) {
      event.preventDefault();
      window.parent.open(link.href, "_blank", "noopener");
    }
  });

  // A second click on what is being sent, or was done, sends nothing: the button stays focusable.
  const sending = new Map(); // form → what htmx knows of its request
  let leaving = false;
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    const form = ctx.sourceElement;
    if (!form.matches?.("form")) return;
    if (leaving || sending.has(form) || form.querySelector("[data-done]")) event.preventDefault();
    else sending.set(form, ctx);
  });
  document.addEventListener("htmx:finally:request", (event) => {
    const { ctx } = event.detail;
    if (sending.get(ctx.sourceElement) === ctx) sending.delete(ctx.sourceElement);
  });
  addEventListener("pageshow", () => { leaving = false; });

  // An answer may ask for a whole page: the header Stripe-Go has its path.
  document.addEventListener("htmx:after:request", (event) => {
    const path = event.detail.ctx?.response?.headers?.get("Stripe-Go");
    if (!path) return;
    leaving = true;
    window.location.assign(path);
  });

  // Of a form that has done its work, what is left is to close it. A closed dialog begins anew.
  document.addEventListener("htmx:after:swap", (event) => {
    const form = event.detail.ctx?.sourceElement;
    const done = form?.matches?.("form") && form.querySelector(".answer [data-done]");
    if (!done) return;
    const closer = form.querySelector("[data-closes]");
    if (closer) closer.textContent = "Close";
    (done.querySelector("button") ?? closer ?? done).focus();
  });
  document.addEventListener("close", (event) => {
    const form = event.target.querySelector?.("form");
    if (!form) return;
    // What was refused is in the form as the server has sent it: only a new page is without it.
    if (form.querySelector("[data-refused]")) window.location.reload();
    form.reset();
    form.querySelector(".answer")?.replaceChildren();
    const closer = form.querySelector("[data-closes]");
    if (closer) closer.textContent = "Cancel";
    // The button that opened it may have gone meanwhile.
    if (document.activeElement === document.body) document.getElementById("content").focus();
  }, true);

  // What is entered for a choice makes the choice: days, a time, a tick in a list.
  document.addEventListener("input", (event) => {
    const id = event.target.closest("[data-picks]")?.dataset.picks;
    const choice = id && event.target.value ? document.getElementById(id) : null;
    if (choice) choice.checked = true;
  });

  // Without https the browser has no clipboard for scripts: the old way serves.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copies);
    let copied = false;
    try {
      await navigator.clipboard.writeText(text.textContent.trim());
      copied = true;
    } catch {
      getSelection().selectAllChildren(text);
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? "Copied" : "Selected: press Ctrl+C";
  });

  // A request without any answer: htmx shows nothing by itself.
  document.addEventListener("htmx:error", (event) => {
    const messages = document.getElementById("messages");
    if (messages) messages.textContent = "Airflow does not answer: this page is not up to date.";
    const answer = event.detail.ctx?.sourceElement?.querySelector?.(":scope > .answer");
    if (answer) answer.textContent = "Airflow does not answer. Look whether this was done, then try again.";
  });
  document.addEventListener("htmx:after:request", () => {
    const messages = document.getElementById("messages");
    if (messages) messages.textContent = "";
  });
})();
