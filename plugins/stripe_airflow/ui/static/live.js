// Pages that stay up to date: changed parts only, none in a hidden tab. Lists that are filtered and sorted.
(() => {
  const MOST_VERSIONS = 600; // of ten letters: a query that proxies let pass

  const refreshes = (ctx) => ctx?.sourceElement?.matches?.(".refresh");

  document.addEventListener("htmx:config:request", (event) => {
    const ctx = event.detail.ctx;
    if (!refreshes(ctx)) return;
    if (document.hidden) {
      event.preventDefault();
      return;
    }
    const versions = [...document.querySelectorAll("[data-version]")].map((part) => part.dataset.version);
    ctx.request.body.set("seen", versions.slice(0, MOST_VERSIONS).join("."));
  });

  // An error is shown until the next answer without one.
  document.addEventListener("htmx:after:request", (event) => {
    const ctx = event.detail.ctx;
    if (refreshes(ctx) && ctx.response.status < 400) ctx.sourceElement.textContent = "";
  });

  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

  function filter(form) {
    const wanted = words(form.querySelector("input[type=search]")?.value ?? "");
    const state = form.querySelector("select")?.value ?? "";
    let shown = 0;
    const items = document.querySelectorAll(form.dataset.filters);
    for (const item of items) {
      const text = (item.dataset.text ?? item.textContent).toLowerCase();
      item.hidden = !(wanted.every((word) => text.includes(word)) && (!state || item.dataset.state === state));
      if (!item.hidden) shown += 1;
    }
    const output = form.querySelector("output");
    const count = shown === items.length ? `${shown}` : `${shown} of ${items.length}`;
    if (output && output.textContent !== count) output.textContent = count;
  }
  const filterAll = () => document.querySelectorAll("[data-filters]").forEach(filter);
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-filters]");
    if (form) filter(form);
  });
  document.addEventListener("htmx:after:swap", filterAll);
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-filters]")) event.preventDefault();
  });

  function compare(one, other) {
    if (one === "" || other === "") return (one === "") - (other === ""); // without a value: last
    const numbers = [Number(one), Number(other)];
    return numbers.some(Number.isNaN) ? one.localeCompare(other) : numbers[0] - numbers[1];
  }
  document.addEventListener("click", (event) => {
    const header = event.target.closest("button[data-sorts]")?.closest("th");
    if (!header) return;
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const each of header.parentElement.cells) each.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = header.closest("table").tBodies[0];
    const value = (row) => row.cells[header.cellIndex].dataset.value ?? row.cells[header.cellIndex].textContent.trim();
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort(([one], [other]) => {
      const order = compare(one, other);
      return down && one !== "" && other !== "" ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  });

  document.addEventListener("DOMContentLoaded", filterAll);
})();
