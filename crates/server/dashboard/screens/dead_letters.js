// What was given up: to be looked at, tried again, or thrown away.

import { get, part, path, post, remove } from "../api.js";
import { data } from "../data.js";
import { ask } from "../dialog.js";
import { age, moment, plural, short } from "../format.js";
import { fill, h, reconcile } from "../h.js";
import { every } from "../live.js";
import { act, empty, facts, failure, head, linkTo, loading } from "../parts.js";
import { pager } from "../pager.js";
import { can } from "../session.js";
import { toast } from "../toast.js";

const PAGE = 50;
const LOOK_EVERY_MS = 4000;

export async function deadLetters({ main, signal, title, look: lookAround }) {
  title("Dead letters");
  const chosen = new Set();
  const list = h("ul", { class: "stack" });
  const place = h("div", null, loading());
  const trouble = h("div");
  const note = h("span", { class: "note", role: "status" });
  let open = [];

  const retryChosen = act("Retry chosen", { "data-do": "retry-chosen" }, async () => {
    let retried = 0;
    for (const id of [...chosen]) {
      await post(`/v1/dispatches/${part(id)}/retry`, undefined);
      chosen.delete(id);
      retried += 1;
    }
    toast(`${plural(retried, "dead letter")} will be tried again.`);
    look();
    lookAround();
  });
  const all = h("input", { type: "checkbox", id: "all", onchange: () => {
    for (const { dispatch_id } of open) if (all.checked) chosen.add(dispatch_id); else chosen.delete(dispatch_id);
    for (const box of list.querySelectorAll("input[type=checkbox]")) box.checked = all.checked;
    tell();
  } });
  const bar = h("div", { class: "chosen" }, h("label", { class: "row" }, all, "All on this page"), note, retryChosen);
  const tell = () => {
    note.textContent = chosen.size > 0 ? `${chosen.size} chosen` : "";
    retryChosen.disabled = chosen.size === 0;
    all.checked = open.length > 0 && open.every(({ dispatch_id }) => chosen.has(dispatch_id));
  };
  const row = (dispatch) => letter(dispatch, {
    isChosen: chosen.has(dispatch.dispatch_id),
    choose: (is) => {
      if (is) chosen.add(dispatch.dispatch_id); else chosen.delete(dispatch.dispatch_id);
      tell();
    },
    changed: () => {
      chosen.delete(dispatch.dispatch_id);
      look();
      lookAround();
    },
  });
  const load = async () => {
    const page = await get(path("/v1/dispatches", { status: "dead_letter", limit: PAGE, cursor: pages.cursor }), { signal });
    fill(trouble);
    open = page.items.filter((dispatch) => !dispatch.requeued_as);
    for (const id of chosen) if (!open.some(({ dispatch_id }) => dispatch_id === id)) chosen.delete(id);
    reconcile(list, page.items, (dispatch) => dispatch.dispatch_id, row);
    if (page.items.length > 0) fill(place, can("admin") && open.length > 0 && bar, list, pages.element);
    else fill(place, nothing(), pages.element);
    pages.show(page.next_cursor);
    actions.hidden = page.items.length === 0 && pages.cursor === null;
    tell();
  };
  const retryAll = act("Retry all…", { "data-do": "retry-all" }, async () => {
    await ask({
      title: "Try all dead letters again?", action: "Retry all",
      contents: [h("p", null, "Each becomes a new dispatch of its run, with its attempts anew. If what made them fail is still there, they come back here.")],
      submit: async () => {
        const { retried } = await post("/v1/dispatches/retry", { status: "dead_letter" });
        toast(`${plural(retried, "dead letter")} will be tried again.`);
      },
    });
    look();
    lookAround();
  });
  const purge = act("Purge…", { class: "button bad", "data-do": "purge" }, async () => {
    // The store's time: this browser's may be another.
    const { at: before } = await get("/v1/system");
    const word = h("input", { type: "text", id: "word", name: "word", autocomplete: "off" });
    await ask({
      title: "Delete all dead letters?", action: "Delete them", kind: "main",
      contents: [
        h("p", null, "All that are there now are deleted, on every page, and cannot be tried again. Their runs and messages stay."),
        h("div", { class: "field" }, h("label", { for: "word" }, "Type “delete” to confirm"), word),
      ],
      submit: async () => {
        if (word.value.trim().toLowerCase() !== "delete") throw new Error("Type the word delete, or cancel.");
        const { deleted } = await remove(path("/v1/dispatches", { status: "dead_letter", before }));
        toast(`${plural(deleted, "dead letter")} deleted.`);
      },
    });
    chosen.clear();
    look();
    lookAround();
  });
  const actions = h("div", { class: "do", hidden: true }, can("admin") && retryAll, can("admin") && purge);
  const pages = pager(() => look());
  fill(main, head({ title: "Dead letters", text: "Deliveries that failed for good or too often. They do not hold their threads.", actions: [actions] }), trouble, place);
  const look = every(LOOK_EVERY_MS, signal, load, (error) => {
    fill(trouble, failure(error, () => look()));
    if (!place.contains(list)) fill(place);
  });
}

function letter(dispatch, { isChosen, choose, changed }) {
  const isOpen = !dispatch.requeued_as;
  const box = isOpen && can("admin")
    ? h("input", { type: "checkbox", checked: isChosen, "aria-label": `Choose the dead letter of ${dispatch.thread_id}`, onchange: (event) => choose(event.target.checked) })
    : h("span");
  return h("li", { class: "sheet dead" }, box, h("div", { class: "stack tight" },
    h("div", { class: "row apart" },
      h("span", { class: "row" }, linkTo.thread(dispatch.thread_id, { "data-row": true }), h("span", { class: "note" }, dispatch.agent_id, ", ", age(dispatch.updated_at))),
      isOpen
        ? can("admin") && act("Retry", { class: "button small", "data-do": "retry" }, async () => {
          await post(`/v1/dispatches/${part(dispatch.dispatch_id)}/retry`, undefined);
          toast("It will be tried again.");
          changed();
        })
        : h("span", { class: "stamp" }, "was retried")),
    h("p", { class: "error" }, dispatch.last_error ?? dispatch.run_error ?? "no reason was recorded"),
    h("details", null, h("summary", null, "Inspect"), h("div", { class: "stack" },
      facts([
        ["Run", linkTo.run(dispatch.run_id, short(dispatch.run_id))], ["Failed attempts", `${dispatch.attempt_count} of ${dispatch.max_attempts}`],
        ["Created", moment(dispatch.created_at)], ["Given up", moment(dispatch.updated_at)],
        ["Reason", dispatch.termination?.code],
      ]),
      data(dispatch)))));
}

function nothing() {
  return empty("No dead letters", "A delivery that fails too often, or for a reason that trying again won't mend, is kept here until you retry or purge it.");
}
