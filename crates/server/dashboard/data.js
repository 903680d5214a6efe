// JSON for people: indented, and coloured by kind.

import { h } from "./h.js";

const PIECES = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
const LONGEST = 200_000;

export function data(value) {
  let text = JSON.stringify(value, null, 2) ?? "nothing";
  if (text.length > LONGEST) text = `${text.slice(0, LONGEST)}\n… (${text.length - LONGEST} characters more)`;
  const parts = [];
  let last = 0;
  for (const found of text.matchAll(PIECES)) {
    const [whole, quoted, colon, word] = found;
    parts.push(text.slice(last, found.index));
    const kind = quoted ? (colon ? "key" : "text") : word ? "word" : "number";
    parts.push(h("span", { class: kind }, quoted ?? whole), colon ?? "");
    last = found.index + whole.length;
  }
  parts.push(text.slice(last));
  return h("pre", { class: "data", tabindex: "0", role: "group", "aria-label": "JSON" }, parts);
}

/** Whether there is anything in it to show. */
export const isEmpty = (value) => value === null || value === undefined
  || (typeof value === "object" && Object.keys(value).length === 0);
