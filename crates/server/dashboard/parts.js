// What several screens are made of.

import { Failure } from "./api.js";
import { h } from "./h.js";
import { emptyShelf } from "./icons.js";
import { to } from "./router.js";
import { toast } from "./toast.js";

/** A screen's head: where one is, what this is, and what can be done here. */
export function head({ title, crumb, text, marks = [], actions = [] }) {
  return h("header", { class: "head" },
    h("div", { class: "words" },
      crumb && h("p", { class: "crumb" }, crumb),
      h("div", { class: "row" }, h("h1", { tabindex: "-1" }, title), marks),
      text && h("p", null, text)),
    actions.length > 0 && h("div", { class: "do" }, actions));
}

export const linkTo = {
  thread: (id, attributes) => h("a", { href: to("threads", id), class: "mono", ...attributes }, id),
  run: (id, text, attributes) => h("a", { href: to("runs", id), class: text === "run" ? null : "mono", title: id, ...attributes }, text ?? id),
};

/** A command to copy. */
export function command(text) {
  const button = h("button", { type: "button", class: "button small", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy it";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  } }, "Copy");
  return h("span", { class: "command" }, h("code", null, text), button);
}

/** How a command reaches this server. */
export function postroom(rest) {
  const { hostname, port, origin } = location;
  const usual = hostname === "127.0.0.1" && port === "8321";
  const [verb, ...words] = rest.split(" ");
  return `postroom ${verb}${usual ? "" : ` --url ${origin}`} ${words.join(" ")}`.trim();
}

/** Nothing is here; says what to do. */
export function empty(title, ...children) {
  return h("div", { class: "empty" }, emptyShelf(), h("h2", null, title), ...children.map((child) =>
    (typeof child === "string" ? h("p", null, child) : child)));
}

/** Something went wrong; says what, and lets one try again. */
export function failure(error, again) {
  const known = error instanceof Failure;
  if (!known) console.error(error);
  const text = known ? error.message : "The dashboard made a mistake. Load the page again; if it stays, please report it.";
  return h("div", { class: "failure", role: "alert" },
    h("p", null, text),
    known && h("p", { class: "code" }, error.status ? `${error.status} ${error.code}` : error.code),
    again && h("button", { type: "button", class: "button", onclick: again }, "Try again"));
}

export const loading = () => h("p", { class: "loading", role: "status" }, "Fetching…");

/** A button that does something that takes time: it can't be pressed twice, and says when it failed. */
export function act(text, attributes, f) {
  const button = h("button", { type: "button", class: "button", ...attributes }, text);
  button.addEventListener("click", async () => {
    if (button.disabled) return;
    button.disabled = true;
    try {
      await f();
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, "bad");
    } finally {
      button.disabled = false;
    }
  });
  return button;
}

/** Names and values. Values that are null are left out. */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}
