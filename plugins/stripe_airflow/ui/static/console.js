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

  // An answer may ask for a whole page: the header Stripe-Go has its path.
  document.addEventListener("htmx:after:request", (event) => {
    const path = event.detail.ctx?.response?.headers?.get("Stripe-Go");
    if (path) window.location.assign(path);
  });

  // A request without any answer: htmx shows nothing by itself.
  document.addEventListener("htmx:error", () => {
    const messages = document.getElementById("messages");
    if (messages) messages.textContent = "Airflow does not answer: this page is not up to date.";
  });
  document.addEventListener("htmx:after:swap", () => {
    const messages = document.getElementById("messages");
    if (messages) messages.textContent = "";
  });
})();
