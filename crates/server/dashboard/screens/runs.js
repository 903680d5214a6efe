// All runs, newest first.

import { get, path } from "../api.js";
import { age, between, count, duration, short } from "../format.js";
import { fill, h, reconcile } from "../h.js";
import { every } from "../live.js";
import { command, empty, failure, head, linkTo, loading, postroom } from "../parts.js";
import { pager } from "../pager.js";
import { note } from "../router.js";
import { runStamp } from "../stamp.js";

const PAGE = 50;
const LOOK_EVERY_MS = 4000;
const STATES = [["", "all"], ["created", "queued"], ["running", "running"], ["waiting", "waiting"], ["done", "done"]];

export async function runs({ main, signal, query, title }) {
  title("Runs");
  const state = h("select", { id: "state", name: "status", onchange: () => begin() }, STATES.map(([value, text]) => h("option", { value }, text)));
  state.value = STATES.some(([value]) => value === query.get("status")) ? query.get("status") : "";
  const agent = h("select", { id: "agent", name: "agent", onchange: () => begin() }, h("option", { value: "" }, "any"));
  const thread = query.get("thread");
  const rows = h("tbody");
  const table = h("div", { class: "sheet" }, h("table", { class: "table folds" },
    h("thead", null, h("tr", null, ["Run", "State", "Thread", "Agent"].map((name) => h("th", { scope: "col" }, name)),
      ["Steps", "Tokens", "Took"].map((name) => h("th", { scope: "col", class: "number" }, name)), h("th", { scope: "col" }, "Created"))), rows));
  const place = h("div", null, loading());
  let wanted = 0;
  const load = async () => {
    const mine = (wanted += 1);
    const page = await get(path("/v1/runs", { limit: PAGE, cursor: pages.cursor, status: state.value, agent_id: agent.value, thread_id: thread }), { signal });
    if (mine !== wanted) return;
    reconcile(rows, page.items, (run) => run.run_id, row);
    const none = page.next_cursor ? empty("None so far", "The newest runs are not of this kind. Older ones have not been looked through yet.") : nobody(state.value, agent.value);
    fill(place, page.items.length > 0 ? table : none, pages.element);
    pages.show(page.next_cursor);
  };
  const pages = pager(() => look());
  const begin = () => {
    note({ status: state.value, agent: agent.value, thread });
    pages.reset();
    look();
  };
  fill(main, head({ title: "Runs", crumb: thread && h("span", null, h("a", { href: "#/threads" }, "Threads"), " / ", linkTo.thread(thread)), text: "One intent of a user each: what became of it, and what it took." }),
    h("div", { class: "search" },
      h("div", { class: "field" }, h("label", { for: "state" }, "State"), state),
      h("div", { class: "field" }, h("label", { for: "agent" }, "Agent"), agent)), place);
  try {
    const { items } = await get("/v1/agents", { signal });
    fill(agent, h("option", { value: "" }, "any"), items.map(({ agent_id }) => h("option", { value: agent_id }, agent_id)));
    agent.value = items.some(({ agent_id }) => agent_id === query.get("agent")) ? query.get("agent") : "";
  } catch (error) {
    if (signal.aborted) return;
    console.warn(error.message);
  }
  const look = every(LOOK_EVERY_MS, signal, load, (error) => fill(place, failure(error, () => look())));
}

function row(run) {
  return h("tr", null,
    h("td", null, linkTo.run(run.run_id, short(run.run_id), { "data-row": true })),
    h("td", null, runStamp(run)),
    h("td", null, linkTo.thread(run.thread_id)),
    h("td", null, run.agent_id),
    h("td", { class: "number", "data-label": "Steps" }, count(run.steps)),
    h("td", { class: "number", "data-label": "Tokens" }, count(run.usage.input_tokens + run.usage.output_tokens)),
    h("td", { class: "number", "data-label": "Took" }, duration(between(run.started_at, run.finished_at))),
    h("td", null, age(run.created_at)));
}

function nobody(state, agent) {
  if (state || agent) return empty("No run is like this", "Choose another state or agent above.");
  return empty("There are no runs yet", "A run begins with a message:", command(postroom("send \"hello\"")));
}
