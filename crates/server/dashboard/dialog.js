// Questions that must be answered first.

import { h } from "./h.js";

/**
 * Opens a dialog with these contents. `submit` is called with the form's data; while it fails, the dialog
 * stays open and says why. Resolves with whether it was submitted.
 */
export function ask({ title, contents = [], action, kind = "main", submit = async () => {} }) {
  return new Promise((resolve) => {
    const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
    const go = h("button", { type: "submit", class: `button ${kind}` }, action);
    const id = `dialog-${Math.random().toString(36).slice(2)}`;
    let done = false;
    const form = h("form", { method: "dialog", onsubmit: async (event) => {
      event.preventDefault();
      if (go.disabled) return;
      go.disabled = true;
      wrong.hidden = true;
      try {
        await submit(new FormData(form));
        done = true;
        dialog.close();
      } catch (error) {
        wrong.textContent = error.message;
        wrong.hidden = false;
      } finally {
        go.disabled = false;
      }
    } },
    h("h2", { id }, title), contents, wrong,
    h("div", { class: "do" },
      h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Cancel"), go));
    const dialog = h("dialog", { "aria-labelledby": id, onclose: () => {
      dialog.remove();
      resolve(done);
    } }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Shows something, to be closed. */
export function show(title, ...contents) {
  const id = `dialog-${Math.random().toString(36).slice(2)}`;
  const dialog = h("dialog", { "aria-labelledby": id, onclose: () => dialog.remove() },
    h("form", { method: "dialog" }, h("h2", { id }, title), contents,
      h("div", { class: "do" }, h("button", { class: "button" }, "Close"))));
  document.body.append(dialog);
  dialog.showModal();
}
