// The button that copies the raw JSON comes with it.
(() => {
  document.addEventListener("htmx:after:swap", () => {
    const button = document.querySelector("[data-copies]");
    if (button && document.getElementById(button.dataset.copies)?.firstElementChild) button.hidden = false;
  });
})();
