// Light or dark: as the system has it, unless the switch was used. Runs before the page is drawn, so
// that it never flashes in the wrong colours; so it is a plain script, not a module.
(() => {
  const CHOICES = ["system", "light", "dark"];
  const KEY = "postroom.theme";

  // A browser may forbid to keep anything; the choice then lasts as long as the page.
  let chosen = "system";
  try {
    const kept = localStorage.getItem(KEY);
    if (CHOICES.includes(kept)) chosen = kept;
  } catch { /* nothing is kept */ }

  const show = () => {
    if (chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
  };
  show();

  window.postroomTheme = {
    choices: CHOICES,
    get: () => chosen,
    set(theme) {
      chosen = theme;
      show();
      try {
        localStorage.setItem(KEY, theme);
      } catch { /* nothing is kept */ }
    },
  };
})();
