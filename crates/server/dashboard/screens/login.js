// The key, where one is needed.

import { fill, h } from "../h.js";
import { sign } from "../icons.js";
import { logIn } from "../session.js";

export function login(done) {
  document.title = "Log in · Postroom";
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
  const key = h("input", { type: "password", id: "key", name: "key", autocomplete: "current-password", required: true, spellcheck: "false" });
  const button = h("button", { type: "submit", class: "button main" }, "Log in");
  const form = h("form", { class: "sheet", onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    wrong.hidden = true;
    try {
      await logIn(key.value.trim());
      await done();
    } catch (error) {
      wrong.textContent = error.status === 401
        ? "This key is not known here, or was revoked. Keys look like id.secret; postroom keys list shows those there are."
        : error.message;
      wrong.hidden = false;
      key.focus();
    } finally {
      button.disabled = false;
    }
  } },
  h("h1", null, "Log in"),
  h("p", { class: "note" }, "This server wants an API key. It stays in this browser's session and is sent to nobody else."),
  h("div", { class: "field" }, h("label", { for: "key" }, "API key"), key, wrong),
  button,
  h("p", { class: "note" }, "No key yet? Make one on the server: ", h("code", null, "postroom keys create")));
  fill(document.body, h("main", { class: "login" },
    h("div", { class: "brand" }, sign(), h("div", null, h("b", null, "Postroom"))), form));
  key.focus();
}
