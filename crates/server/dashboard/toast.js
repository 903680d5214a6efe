// Short messages that go away; those about failures stay until they are read.

import { h } from "./h.js";

let place = null;

export function toastPlace() {
  place = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
  return place;
}

export function toast(text, kind = "good") {
  const element = h("div", { class: `toast ${kind}` },
    h("span", null, text),
    h("button", { type: "button", "aria-label": "Dismiss", onclick: () => element.remove() }, "×"));
  place.append(element);
  setTimeout(() => element.remove(), kind === "bad" ? 15000 : 5000);
}
