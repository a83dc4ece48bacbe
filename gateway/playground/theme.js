/**
 * Light, dark, or as the system says: the choice, kept between visits where the browser lets us keep it.
 *
 * Loaded before the first paint, so that a stored choice does not flash.
 */

const KEY = 'tidegate-playground-theme';
const CHOICES = ['system', 'light', 'dark'];

/** Storage may be switched off or full; the page works without it. */
export const memory = {
  get(key) {
    try { return localStorage.getItem(key); } catch { return null; }
  },
  set(key, value) {
    try { localStorage.setItem(key, value); } catch { /* remembered until the page is left */ }
  },
};

let theme = CHOICES.includes(memory.get(KEY)) ? memory.get(KEY) : 'system';
apply();

function apply() {
  document.documentElement.dataset.theme = theme;
}

export function currentTheme() {
  return theme;
}

export function nextTheme() {
  theme = CHOICES[(CHOICES.indexOf(theme) + 1) % CHOICES.length];
  memory.set(KEY, theme);
  apply();
  return theme;
}
