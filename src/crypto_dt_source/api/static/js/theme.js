// Before the first paint, so that no page flashes in the other theme: therefore no module.
(() => {
  const THEMES = ["auto", "light", "dark"];
  const remembered = () => {
    try {
      return localStorage.getItem("cdts.theme");
    } catch {
      return null; // in a frame of another domain a browser may keep nothing
    }
  };
  const set = (theme) => {
    if (theme === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = theme;
  };
  const known = remembered();
  let theme = THEMES.includes(known) ? known : "auto";
  set(theme);
  window.cdtsTheme = {
    get current() {
      return theme;
    },
    next() {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      set(theme);
      try {
        localStorage.setItem("cdts.theme", theme);
      } catch {
        // as above
      }
      document.dispatchEvent(new CustomEvent("themechange"));
      return theme;
    },
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("themechange")));
})();
