// The inbox of people: every run that waits for a decision.

import { get, path } from "../api.js";
import { plural } from "../format.js";
import { fill, h, reconcile } from "../h.js";
import { every } from "../live.js";
import { command, empty, failure, head, loading, postroom } from "../parts.js";
import { ticketsOf, ticketView } from "../ticket.js";

const LOOK_EVERY_MS = 2500;
const PAGE = 200;
/** Runs wait for other things too: so many pages are looked through for those that ask somebody. */
const PAGES_MAX = 10;
const SHOWN = 50;

export async function approvals({ main, signal, title, look: lookAround }) {
  title("Approvals");
  const list = h("div", { class: "stack" });
  const place = h("div", null, loading());
  const trouble = h("div");
  const text = h("p", { class: "note", role: "status" });
  let shown = SHOWN;
  const load = async () => {
    const { asking, isAll } = await waiting(signal);
    fill(trouble);
    // Who waits longest comes first.
    asking.sort((a, b) => (a.since < b.since ? -1 : 1));
    reconcile(list, asking.slice(0, shown), (one) => `${one.run_id} ${one.ticket.tool_call_id}`, (one) => ticketView(one, { done: () => {
      look();
      lookAround();
    } }));
    text.textContent = asking.length === 0 ? "" : `${isAll ? plural(asking.length, "decision is", "decisions are") : `${asking.length} or more decisions are`} waited for.`;
    if (asking.length === 0) fill(place, nothing());
    else fill(place, text, list, asking.length > shown && h("button", { type: "button", class: "button", onclick: () => {
      shown += SHOWN;
      look();
    } }, "Show more"));
  };
  fill(main, head({ title: "Approvals", text: "Tool calls that wait for you, the oldest first. Until you decide, their runs hold nothing up but their own threads." }), trouble, place);
  const look = every(LOOK_EVERY_MS, signal, load, (error) => {
    fill(trouble, failure(error, () => look()));
    if (!place.contains(list)) fill(place);
  });
}

async function waiting(signal) {
  const asking = [];
  let cursor = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { items, next_cursor } = await get(path("/v1/runs", { status: "waiting", limit: PAGE, cursor }), { signal });
    asking.push(...items.flatMap(ticketsOf));
    if (!next_cursor) return { asking, isAll: true };
    cursor = next_cursor;
  }
  return { asking, isAll: false };
}

function nothing() {
  return empty("Nothing waits for you", "Calls of tools that an agent's configuration lists under “approve”, and questions of agents, come here. To see one:",
    command(postroom("send -t demo \"please do something that needs my approval\"")));
}
