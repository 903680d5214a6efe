// Long lists, a page at a time: however long they are, only a page is in the browser.

import { fill, h } from "./h.js";

/** `turn(cursor)` is called for another page. */
export function pager(turn) {
  const before = [];
  let here = null;
  let next = null;
  const newer = h("button", { type: "button", class: "button", "data-do": "newer", onclick: () => go(before.pop() ?? null) }, "← Newer");
  const older = h("button", { type: "button", class: "button", "data-do": "older", onclick: () => {
    before.push(here);
    go(next);
  } }, "Older →");
  const place = h("span", { class: "note" });
  const element = h("div", { class: "pager", role: "navigation", "aria-label": "Pages" }, newer, place, older);
  const go = (cursor) => {
    here = cursor;
    turn(cursor);
    window.scrollTo(0, 0);
  };
  return {
    element,
    get cursor() { return here; },
    /** Begins with the first page again. */
    reset() {
      before.length = 0;
      here = null;
    },
    show(nextCursor, text = "") {
      next = nextCursor;
      newer.disabled = here === null;
      older.disabled = next === null;
      fill(place, text || `page ${before.length + 1}`);
      element.hidden = here === null && next === null;
    },
  };
}
