// The chosen theme, before anything is painted. `auto` follows the system.
(function () {
  'use strict';
  const themes = ['auto', 'light', 'dark'];
  const known = (name) => (themes.includes(name) ? name : 'auto');
  let kept = 'auto';
  try {
    kept = known(localStorage.getItem('diptych.theme'));
  } catch {
    // A browser that keeps nothing still shows the page.
  }
  document.documentElement.dataset.theme = kept;

  window.nextTheme = function () {
    const root = document.documentElement;
    const next = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
    root.dataset.theme = next;
    try {
      localStorage.setItem('diptych.theme', next);
    } catch {
      // It lasts as long as the page.
    }
    return next;
  };
})();
