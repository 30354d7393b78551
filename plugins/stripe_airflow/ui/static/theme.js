// Light and dark as Airflow has it. In <head> without defer, so that a page never flashes.
(() => {
  const framed = window.parent !== window;
  const wish = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    let theme = null;
    try {
      const root = framed ? parent.document.documentElement : null;
      if (root?.classList.contains("dark")) theme = "dark";
      else if (root?.classList.contains("light")) theme = "light";
      else theme = localStorage.getItem("theme");
    } catch {
      // a frame of another origin: follow the system
    }
    if (theme !== "dark" && theme !== "light") theme = wish.matches ? "dark" : "light";
    if (document.documentElement.dataset.theme === theme) return;
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("stripe:theme"));
  };
  apply();
  wish.addEventListener("change", apply);
  addEventListener("storage", (event) => { if (event.key === "theme") apply(); });
  try {
    if (framed) {
      new MutationObserver(apply).observe(parent.document.documentElement, {
        attributes: true, attributeFilter: ["class"],
      });
    }
  } catch {
    // the same
  }
})();
