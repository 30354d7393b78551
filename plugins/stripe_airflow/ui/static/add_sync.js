// Forms of the pages that add a sync: what was chosen is kept for Back, and collections are ticked in groups.
(() => {
  const fields = (form) => [...form.elements].filter((each) => each.name && !["password", "hidden", "submit", "button"].includes(each.type) && !("keepsNot" in each.dataset));
  const nameOf = (form) => `stripe:${form.dataset.keeps}`;
  // A collection that the key may read by now is another choice than when it was refused.
  const keyOf = (each) => (["checkbox", "radio"].includes(each.type) ? `${each.name}=${each.value}${"refused" in each.dataset ? "!" : ""}` : each.name);

  // Never a key: fields of type password are left out. Kept for this tab only.
  const keep = (form) => {
    const values = {};
    for (const each of fields(form)) values[keyOf(each)] = ["checkbox", "radio"].includes(each.type) ? each.checked : each.value;
    try { sessionStorage.setItem(nameOf(form), JSON.stringify(values)); } catch { /* no storage: nothing is kept */ }
  };

  const restore = (form) => {
    let values = null;
    try { values = JSON.parse(sessionStorage.getItem(nameOf(form))); } catch { /* nothing was kept */ }
    for (const each of values ? fields(form) : []) {
      const value = values[keyOf(each)];
      if (typeof value === "boolean") each.checked = value && !each.disabled;
      else if (typeof value === "string") each.value = value;
      if (value && each.value) each.closest("details")?.setAttribute("open", "");
    }
  };

  const boxes = (inside) => [...inside.querySelectorAll('input[name="collections"]')];

  const count = (form) => {
    const all = boxes(form);
    const output = form.querySelector("[data-counts]");
    if (output) output.textContent = all.filter((each) => each.checked).length;
    for (const group of form.querySelectorAll("[data-group]")) {
      const own = boxes(group.closest("fieldset"));
      const ticked = own.filter((each) => each.checked).length;
      group.checked = ticked === own.length;
      group.indeterminate = ticked > 0 && ticked < own.length;
    }
  };

  const begin = () => {
    for (const form of document.querySelectorAll("form[data-keeps]:not([data-begun])")) {
      form.dataset.begun = "";
      restore(form);
      count(form);
    }
  };

  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-keeps]");
    if (!form) return;
    if ("group" in event.target.dataset) {
      for (const each of boxes(event.target.closest("fieldset"))) each.checked = event.target.checked;
    }
    count(form);
    keep(form);
  });

  document.addEventListener("click", (event) => {
    const which = event.target.closest("[data-ticks]")?.dataset.ticks;
    if (!which) return;
    const form = event.target.closest("form");
    for (const each of boxes(form)) each.checked = which === "all" || (which === "permitted" && !("refused" in each.dataset));
    count(form);
    keep(form);
  });

  // Done: the next sync begins with empty forms.
  document.addEventListener("htmx:after:request", (event) => {
    if (!event.target.closest?.("form[data-last]") || !event.detail.ctx?.response?.headers?.get("Stripe-Go")) return;
    for (const name of Object.keys(sessionStorage)) if (name.startsWith("stripe:add-sync")) sessionStorage.removeItem(name);
  });
  document.addEventListener("htmx:after:swap", begin);
  document.addEventListener("DOMContentLoaded", begin);
})();
