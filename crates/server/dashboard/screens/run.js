// One run: what it did step by step, what it took, and how it was delivered.

import { get, part, post } from "../api.js";
import { callView } from "../call.js";
import { data, isEmpty } from "../data.js";
import { age, between, clock, count, duration, moment, plural, short } from "../format.js";
import { fill, h, reconcile } from "../h.js";
import { every, soon } from "../live.js";
import { act, facts, failure, head, linkTo, loading } from "../parts.js";
import { Replay } from "../replay.js";
import { can } from "../session.js";
import { dispatchStamp, runStamp } from "../stamp.js";
import { follow } from "../stream.js";
import { ticketsOf, ticketView } from "../ticket.js";
import { toast } from "../toast.js";

const LOOK_EVERY_MS = 10000;
const CHANGE_MS = 120;

export async function run({ main, signal, parameters, title, look: lookAround }) {
  const id = parameters.run;
  const base = `/v1/runs/${part(id)}`;
  title(`Run ${short(id)}`);
  const crumb = (run) => h("span", null, h("a", { href: "#/threads" }, "Threads"), run && [" / ", linkTo.thread(run.thread_id)], " / Run");
  fill(main, head({ title: h("span", { class: "mono" }, short(id)), crumb: crumb() }), loading());

  const top = h("div", { class: "stack above" });
  const trouble = h("div");
  const tickets = h("div", { class: "stack" });
  const aside = h("div", { class: "stack" });
  const steps = h("ol", { class: "steps" });
  const none = h("p", { class: "note" });
  let replay = new Replay();
  let isGone = false;
  let seen = 0;
  let state;

  const read = async () => {
    const run = await get(base, { signal });
    const [dispatches, children] = await Promise.all([
      get(`/v1/threads/${part(run.thread_id)}/dispatches?limit=200`, { signal }),
      get(`/v1/runs?parent_run_id=${part(id)}&limit=20`, { signal }),
    ]);
    state = { run, dispatches: dispatches.items.filter((dispatch) => dispatch.run_id === id), children: children.items };
  };
  const draw = () => {
    const { run } = state;
    const shape = JSON.stringify(state);
    if (shape !== draw.shape) {
      draw.shape = shape;
      drawTop(top, run, crumb(run), look);
      drawAside(aside, state);
      reconcile(tickets, ticketsOf(run), (asking) => asking.ticket.tool_call_id, (asking) => ticketView(asking, { done: look, withPlace: false }));
      lookAround();
    }
    drawSteps();
  };
  const drawSteps = () => {
    const asking = new Set(ticketsOf(state.run).map(({ ticket }) => ticket.tool_call_id));
    const isOver = state.run.status === "done";
    reconcile(steps, replay.entries.map((entry, at) => ({ ...entry, key: at, parts: entry.parts?.map((one) =>
      (one.kind === "call" ? { ...one, isAsking: asking.has(one.id), isOver } : one)) })), (entry) => entry.key, entryView);
    none.textContent = isGone ? "Its events are older than this server keeps them. What it answered is in the thread."
      : replay.entries.length === 0 ? "Nothing has happened in it yet." : "";
    none.hidden = none.textContent === "";
  };
  const look = soon(CHANGE_MS, signal, () => read().then(draw).catch((error) => !signal.aborted && fill(trouble, failure(error, look))));
  const drawSoon = soon(40, signal, drawSteps);

  await read();
  try {
    let cursor = null;
    do {
      const page = await get(`${base}/events?limit=1000${cursor ? `&cursor=${cursor}` : ""}`, { signal });
      page.items.forEach((event) => replay.apply(event));
      seen = page.items.at(-1)?.seq ?? seen;
      cursor = page.next_cursor;
    } while (cursor);
  } catch (error) {
    if (error.status !== 410) throw error;
    isGone = true;
    replay = new Replay();
  }
  fill(main, top, trouble, h("div", { class: "thread" },
    h("section", { class: "stack", "aria-label": "What happened" }, tickets, h("div", { class: "sheet" }, h("h2", null, "What happened"), none, steps)),
    h("aside", { class: "stack", "aria-label": "Details" }, aside)));
  draw();

  if (state.run.status !== "done" && !replay.isOver && !isGone) {
    const ended = new AbortController();
    signal.addEventListener("abort", () => ended.abort());
    follow(`${base}/events`, { after: seen, signal: ended.signal, heard: (event) => {
      replay.apply(event);
      drawSoon();
      if (!event.type.endsWith("_delta")) look();
      // The stream ends with the run: nothing more is to be asked for.
      if (event.type === "run_finished") ended.abort();
    } });
  }
  every(LOOK_EVERY_MS, signal, async () => {
    if (state.run.status === "done") return;
    await read();
    draw();
  });
}

function drawTop(top, run, crumb, look) {
  const tokens = run.usage;
  fill(top, head({
    title: h("span", { class: "mono" }, short(run.run_id)), crumb, marks: [runStamp(run)],
    text: run.termination?.message ?? undefined,
    actions: run.status !== "done" && can("write") ? [act("Cancel the run", { class: "button bad", "data-do": "cancel" }, async () => {
      await post(`/v1/runs/${part(run.run_id)}/cancel`, undefined);
      toast(run.status === "running" ? "Asked to stop." : "Cancelled.");
      look();
    })] : [],
  }),
  run.error && h("div", { class: "failure" }, h("b", null, "It failed"), h("p", null, run.error), run.termination?.code && h("p", { class: "code" }, run.termination.code)),
  h("div", { class: "sheet" }, facts([
    ["Took", duration(between(run.started_at, run.finished_at ?? (run.status === "running" ? new Date().toISOString() : null)))],
    ["Steps", count(run.steps)], ["Attempt", count(run.attempt)],
    ["Tokens in", `${count(tokens.input_tokens)}${tokens.cached_tokens ? `, ${count(tokens.cached_tokens)} cached` : ""}`],
    ["Tokens out", count(tokens.output_tokens)], ["Agent", run.agent_id],
  ])));
}

function drawAside(aside, { run, dispatches, children }) {
  const rows = [
    ["Run", h("span", { class: "mono" }, run.run_id)], ["Thread", linkTo.thread(run.thread_id)],
    ["Origin", { user: "a user", a2a: "another agent", internal: "the system itself", schedule: "a schedule" }[run.origin] ?? run.origin],
    run.parent_run_id && ["Asked for by", linkTo.run(run.parent_run_id, short(run.parent_run_id))],
    ["Version of the agent", run.agent_version && h("span", { class: "mono" }, run.agent_version)],
    ["Created", moment(run.created_at)], ["Started", run.started_at && moment(run.started_at)], ["Finished", run.finished_at && moment(run.finished_at)],
  ].filter((row) => row && row[1]);
  fill(aside,
    h("section", { class: "sheet" }, h("h2", null, "Details"), h("dl", { class: "stack tight" }, rows.map(([name, value]) =>
      h("div", null, h("dt", { class: "note" }, name), h("dd", null, value)))),
    !isEmpty(run.metadata) && h("details", null, h("summary", null, "Metadata"), data(run.metadata))),
    h("section", { class: "sheet" }, h("h2", null, "Deliveries"), dispatches.length === 0
      ? h("p", { class: "note" }, "They are not kept any more.")
      : h("ul", { class: "deliveries" }, dispatches.map((dispatch) => h("li", null,
        h("span", { class: "row" }, dispatchStamp(dispatch), h("span", { class: "mono", title: dispatch.dispatch_id }, short(dispatch.dispatch_id))),
        h("span", { class: "note" }, `${dispatch.attempt_count} of ${plural(dispatch.max_attempts, "attempt")} failed, priority ${dispatch.priority}, `, age(dispatch.created_at)),
        dispatch.last_error && h("span", { class: "wrong" }, dispatch.last_error))))),
    children.length > 0 && h("section", { class: "sheet" }, h("h2", null, "Runs that it asked for"), h("ul", { class: "stack tight" }, children.map((child) =>
      h("li", { class: "row" }, runStamp(child), linkTo.run(child.run_id, short(child.run_id)), h("span", { class: "note" }, child.agent_id))))),
    h("details", null, h("summary", null, "As JSON"), data(run)));
}

function entryView(entry) {
  if (entry.kind === "mark") return h("li", { class: `mark ${entry.tone}` }, h("time", { datetime: entry.at }, clock(entry.at)), h("span", null, entry.text));
  const { inference } = entry;
  return h("li", { class: `step ${entry.isDropped ? "dropped" : ""}` },
    h("div", { class: "row apart" }, h("h3", null, `Step ${entry.number}`, entry.isDropped && h("span", { class: "stamp failed" }, "dropped with its attempt")),
      h("span", { class: "note" }, clock(entry.at),
        inference && `, ${inference.model}, ${duration(inference.duration_ms)}, ${count(inference.usage.input_tokens)} tokens in, ${count(inference.usage.output_tokens)} out`)),
    entry.parts.map((one) => {
      if (one.kind === "call") return callView(one);
      return h("div", { class: one.kind }, one.text);
    }),
    entry.parts.length === 0 && h("p", { class: "note" }, "The model was asked."));
}
