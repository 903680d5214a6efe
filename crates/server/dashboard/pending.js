// Messages that no model has read yet: they can be changed, moved and taken back.

import { part, patch, post, remove } from "./api.js";
import { ask } from "./dialog.js";
import { age } from "./format.js";
import { h } from "./h.js";
import { contentView, plainText } from "./message.js";
import { act } from "./parts.js";
import { can } from "./session.js";
import { toast } from "./toast.js";

const BOUNDARIES = {
  next_step: "joins at the next step",
  on_natural_end: "joins when the run would end",
  new_run: "starts the next run",
};

/** One of them. `all` are those that there are, `changed` is called after a change. */
export function slipView({ item, all, thread }, changed) {
  const at = all.findIndex((id) => id === item.message_id);
  const place = `/v1/threads/${part(thread)}/pending`;
  const move = (step) => async () => {
    const order = [...all];
    [order[at], order[at + step]] = [order[at + step], order[at]];
    await post(`${place}/order`, { message_ids: order });
    changed();
  };
  const retract = async () => {
    await remove(`${place}/${part(item.message_id)}`);
    toast("Taken back: no model has read it.");
    changed();
  };
  return h("li", { class: "slip" },
    h("div", { class: "row apart" },
      h("span", { class: "row" }, h("span", { class: "stamp queued" }, "pending"),
        h("span", { class: "note" }, BOUNDARIES[item.boundary] ?? item.boundary, item.barrier && ", and nothing overtakes it", ", ", age(item.created_at))),
      can("write") && h("span", { class: "row" },
        act("↑", { class: "button small", "data-do": "up", "aria-label": "Move up", disabled: at === 0 }, move(-1)),
        act("↓", { class: "button small", "data-do": "down", "aria-label": "Move down", disabled: at === all.length - 1 }, move(1)),
        plainText(item.message) !== null && act("Edit…", { class: "button small", "data-do": "edit" }, () => edit(item, place, changed)),
        act("Take back", { class: "button small bad", "data-do": "retract" }, retract))),
    contentView(item.message));
}

async function edit(item, place, changed) {
  const field = h("textarea", { name: "text", id: "edited", rows: 5, value: plainText(item.message) });
  const done = await ask({
    title: "Change the message",
    contents: [h("div", { class: "field" }, h("label", { for: "edited" }, "Text"), field)],
    action: "Save",
    submit: async () => {
      if (!field.value.trim()) throw new Error("A message has some text. To do without it, take it back.");
      await patch(`${place}/${part(item.message_id)}`, { content: field.value });
    },
  });
  if (done) toast("Changed.");
  changed();
}
