// Copying of the raw JSON. Without https the browser has no clipboard for scripts: the old way serves.
(() => {
  document.addEventListener("htmx:after:swap", () => {
    const button = document.querySelector("[data-copies]");
    if (button && document.getElementById(button.dataset.copies)?.firstElementChild) button.hidden = false;
  });
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
})();
