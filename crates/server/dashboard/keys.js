// Shortcuts: single keys, and two after each other, while nothing is being typed.

const bound = new Map();
let first = null;
let forget = null;

/** `keys` is one key, or two with a space between. Returns a function that takes it back. */
export function bind(keys, what, f) {
  bound.set(keys, { what, f });
  return () => bound.get(keys)?.f === f && bound.delete(keys);
}

/** What there is, for the help. */
export const all = () => [...bound].map(([keys, { what }]) => ({ keys, what }));

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const pair = first ? `${first} ${event.key}` : null;
    clearTimeout(forget);
    first = null;
    const found = (pair && bound.get(pair)) ?? bound.get(event.key);
    if (found) {
      event.preventDefault();
      found.f();
    } else if ([...bound.keys()].some((keys) => keys.startsWith(`${event.key} `))) {
      first = event.key;
      forget = setTimeout(() => { first = null; }, 1500);
    }
  });
}

function isTyping(target) {
  return target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio])");
}

/** Moves the focus to the next or the previous row of what is listed. */
export function walkRows(step) {
  const rows = [...document.querySelectorAll("main [data-row]")];
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step));
  rows[next].focus();
}
