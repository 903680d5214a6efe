// Who may call.

import { get, part, post, remove } from "../api.js";
import { ask, show } from "../dialog.js";
import { moment } from "../format.js";
import { fill, h, reconcile } from "../h.js";
import { every } from "../live.js";
import { act, command, empty, facts, failure, head, loading } from "../parts.js";
import { can } from "../session.js";
import { keyStamp } from "../stamp.js";

const LOOK_EVERY_MS = 10000;

const SCOPES = [
  ["read", "read: see threads, runs, dispatches and events"],
  ["write", "write: submit, steer, decide and cancel too"],
  ["admin", "admin: keys and dead letters too"],
];

export async function keys({ main, signal, title }) {
  title("Keys");
  if (!can("admin")) {
    fill(main, head({ title: "Keys" }), empty("Not with this key", h("p", null, "Keys are shown to who holds one with the scope admin.")));
    return;
  }
  const list = h("ul", { class: "cards" });
  const place = h("div", null, loading());
  const add = act("New key…", { class: "button main", "data-do": "add" }, async () => {
    await make();
    look();
  });
  fill(main, head({ title: "Keys", text: "Who may call, and for which tenant. A key is kept as a hash: its text is shown once, when it is made.", actions: [add] }), place);
  const look = every(LOOK_EVERY_MS, signal, async () => {
    const { items } = await get("/v1/keys", { signal });
    reconcile(list, items, (key) => key.key_id, (key) => card(key, () => look()));
    fill(place, items.length > 0 ? list : empty("There are no keys", h("p", null, "Without one, only this machine is answered.")));
  }, (error) => fill(place, failure(error, () => look())));
}

function card(key, changed) {
  const revoke = act("Revoke…", { class: "button small bad", "data-do": "revoke" }, async () => {
    await ask({
      title: `Revoke ${key.label || key.key_id}?`, action: "Revoke it",
      contents: [h("p", null, "Who presents it is refused from now on, and its sessions end. It can't be undone.")],
      submit: () => remove(`/v1/keys/${part(key.key_id)}`),
    });
    changed();
  });
  return h("li", { class: "sheet" },
    h("div", { class: "row apart" }, h("h2", null, key.label || key.key_id), keyStamp(key)),
    facts([
      ["Key", h("code", null, key.key_id)],
      ["Tenant", key.tenant],
      ["Scopes", key.scopes.join(", ")],
      ["Made", moment(key.created_at)],
      ["Last used", key.last_used_at ? moment(key.last_used_at) : "never"],
      ["Until", key.expires_at && moment(key.expires_at)],
      ["Revoked", key.revoked_at && moment(key.revoked_at)],
    ]),
    !key.revoked_at && h("div", { class: "do" }, revoke));
}

/** Asks for a key, and shows it this once. */
async function make() {
  let made = null;
  await ask({
    title: "New key", action: "Make it",
    contents: [
      h("div", { class: "field" }, h("label", { for: "label" }, "What for"),
        h("input", { type: "text", id: "label", name: "label", autocomplete: "off", placeholder: "the billing service" })),
      h("div", { class: "field" }, h("label", { for: "tenant" }, "Tenant"),
        h("input", { type: "text", id: "tenant", name: "tenant", autocomplete: "off", placeholder: "your own" })),
      h("div", { class: "field" }, h("label", { for: "scope" }, "It may"),
        h("select", { id: "scope", name: "scope" }, SCOPES.map(([scope, text]) => h("option", { value: scope }, text)))),
      h("div", { class: "field" }, h("label", { for: "days" }, "For so many days"),
        h("input", { type: "number", id: "days", name: "days", min: "1", placeholder: "without end" })),
    ],
    submit: async (form) => {
      const given = (name) => form.get(name).trim() || null;
      const days = given("days");
      made = await post("/v1/keys", {
        label: given("label"), tenant: given("tenant"), scopes: [form.get("scope")],
        expires_at: days && new Date(Date.now() + Number(days) * 86400000).toISOString(),
      });
    },
  });
  if (made) show("The new key", h("p", null, "Keep it now: it is not shown again."), command(made.key));
}
