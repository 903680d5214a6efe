// How the house is doing, at a glance.

import { get } from "../api.js";
import { chart } from "../chart.js";
import { age, clock, compact, count, duration, plural, short } from "../format.js";
import { fill, h, reconcile, svg } from "../h.js";
import { every } from "../live.js";
import { empty, command, failure, head, linkTo, loading, postroom } from "../parts.js";
import { to } from "../router.js";
import { can, operates } from "../session.js";
import { nodeStamp, runStamp } from "../stamp.js";
import { follow } from "../stream.js";

const LOOK_EVERY_MS = 2000;
const HAPPENINGS_MAX = 60;

const HOLES = [
  ["queued", "waiting their turn", "#/runs?status=created"],
  ["claimed", "being executed", "#/runs?status=running"],
  ["acked", "delivered", "#/runs?status=done"],
  ["superseded", "superseded", null],
  ["cancelled", "cancelled", null],
  ["dead_letter", "dead letters", "#/dead-letters"],
];

export async function overview({ main, signal, title }) {
  title("Overview");
  const shelf = h("div", { class: "shelf", role: "group", "aria-label": "Dispatches by status" });
  const throughput = h("section", { class: "sheet" });
  const latency = h("section", { class: "sheet" });
  const active = h("section", { class: "sheet" });
  const nodes = h("section", { class: "sheet" });
  const percentiles = h("section", { class: "sheet" });
  const happenings = h("ul", { class: "happenings", tabindex: "0", "aria-label": "Happenings" });
  const quiet = h("p", { class: "note" }, "Nothing has happened at this node since this page was opened.");
  // The rest is of the node, and so of all tenants.
  const whole = operates();
  const body = h("div", { class: "stack" }, shelf,
    whole && h("div", { class: "two" }, throughput, latency),
    h("div", { class: "two" }, active, h("section", { class: "sheet" }, h("h2", null, "Happening now"), quiet, happenings)),
    whole && h("div", { class: "two" }, percentiles, nodes));
  const trouble = h("div");
  const place = h("div", null, loading());
  fill(main, head({ title: "Overview", text: whole ? "Deliveries in their pigeonholes, and what this node did in the last quarter of an hour." : "Deliveries in their pigeonholes, and what happens now.",
    actions: can("write") ? [h("a", { class: "button main", href: "#/new" }, "Write to an agent")] : [] }), trouble, place);

  let shown = "";
  await new Promise((resolve) => {
    every(LOOK_EVERY_MS, signal, async () => {
      const [system, recent, running, threads] = await Promise.all([
        get("/v1/system", { signal }), whole ? get("/v1/system/recent", { signal }) : null,
        get("/v1/runs?status=running&limit=8", { signal }), get("/v1/threads?limit=1", { signal }),
      ]);
      fill(trouble);
      if (threads.items.length === 0) {
        fill(place, welcome());
        resolve();
        return;
      }
      if (body.parentNode !== place) fill(place, body);
      reconcile(shelf, HOLES.map(([status, words, href]) => ({ status, words, href, number: system.depth[status] })), (hole) => hole.status, hole);
      // A chart is drawn anew only when there is something new in it.
      const numbers = recent && JSON.stringify([recent.spans, recent.total]);
      if (recent && numbers !== shown) {
        shown = numbers;
        drawThroughput(throughput, recent);
        drawLatency(latency, recent);
        drawPercentiles(percentiles, recent);
      }
      drawActive(active, running, system.active_runs);
      if (whole) drawNodes(nodes, system);
      resolve();
    }, (error) => {
      fill(trouble, failure(error));
      if (!place.contains(body)) fill(place);
      resolve();
    });
  });

  const listed = [];
  follow("/v1/events", { after: null, signal, heard: (event) => {
    const happening = happeningOf(event);
    if (!happening) return;
    listed.unshift(happening);
    listed.length = Math.min(listed.length, HAPPENINGS_MAX);
    quiet.hidden = true;
    reconcile(happenings, listed, (item) => `${item.thread} ${item.seq}`, happeningView);
  } });
}

function welcome() {
  return h("div", { class: "sheet" }, empty("Nobody has written yet",
    "Write to an agent here, or send a first message from a terminal. The built-in demo agent needs no key: ask it for the time, for something “slow”, or for something that needs your approval.",
    command(postroom("send -t demo \"what time is it?\"")),
    can("write") && h("a", { class: "button main", href: "#/new" }, "Write to an agent")));
}

/** A pigeonhole: its letters are as many as the number has size, not as it has units. */
function hole({ status, words, href, number }) {
  const letters = number === 0 ? 0 : Math.min(9, 1 + Math.floor(Math.log2(number)));
  const stack = svg("svg", { viewBox: "0 0 100 54", preserveAspectRatio: "xMinYMax meet", "aria-hidden": "true" },
    Array.from({ length: letters }, (_, at) => svg("rect", { class: "letter", x: (at * 7) % 5, y: 49 - at * 6, width: 84, height: 4.5, rx: 1 })));
  const text = [h("b", { title: count(number) }, compact(number)), stack, h("span", null, words)];
  return href ? h("a", { class: `hole ${status}`, href }, text) : h("div", { class: `hole ${status}` }, text);
}

function drawThroughput(section, { spans, span_ms, total, last_span_ms }) {
  const rate = (number, ms) => number / (ms / 1000);
  const perSecond = (name) => spans.map((span, at) => rate(span[name], at === spans.length - 1 ? Math.max(last_span_ms, span_ms / 2) : span_ms));
  const ended = total.completed + total.failed + total.cancelled;
  const label = `Throughput in the last quarter of an hour: ${plural(total.accepted, "submission")} accepted, ${plural(ended, "run")} ended, of which ${count(total.failed)} badly.`;
  fill(section,
    h("h2", null, "Throughput"),
    chart({ bars: ["completed", "cancelled", "failed"].map((name) => ({ name, values: perSecond(name) })),
      lines: [{ name: "accepted", values: perSecond("accepted") }],
      spanMs: span_ms, label, format: (number) => `${Number(number.toPrecision(2))}/s` }),
    legend([["completed", `${count(total.completed)} done`], ["failed", `${count(total.failed)} failed`], ["cancelled", `${count(total.cancelled)} cancelled`], ["accepted", `${count(total.accepted)} accepted`, "line"]]));
}

function drawLatency(section, { spans, span_ms, total }) {
  const of = (name) => spans.map((span) => span.due_to_start_ms[name]);
  const { p50, p99 } = total.due_to_start_ms;
  const label = p50 === null ? "Nothing started in the last quarter of an hour."
    : `Wait before a start in the last quarter of an hour: half within ${duration(p50)}, 99 of 100 within ${duration(p99)}.`;
  fill(section,
    h("h2", null, "Wait before a start"),
    chart({ lines: [{ name: "p99", values: of("p99") }, { name: "p50", values: of("p50") }], spanMs: span_ms, label, format: (ms) => (ms === 0 ? "0" : duration(ms)) }),
    legend([["p50", `half within ${duration(p50)}`, "line"], ["p99", `99 of 100 within ${duration(p99)}`, "line"]]));
}

function legend(entries) {
  return h("ul", { class: "legend" }, entries.map(([name, text, form]) => h("li", { class: name }, h("i", { class: form }), h("span", null, text))));
}

function drawPercentiles(section, { total }) {
  const rows = [["Wait before a start", total.due_to_start_ms], ["One attempt", total.run_ms], ["From acceptance to the end", total.enqueue_to_completion_ms]];
  fill(section, h("h2", null, "How long it takes"),
    h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "How long it takes" }, h("table", { class: "table percentiles" },
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Last 15 minutes"), ["half", "90 %", "99 %", "longest", "of"].map((name) => h("th", { class: "number", scope: "col" }, name)))),
      h("tbody", null, rows.map(([name, spread]) => h("tr", null, h("td", null, name),
        [spread.p50, spread.p90, spread.p99, spread.max].map((ms) => h("td", { class: "number" }, duration(ms))), h("td", { class: "number" }, count(spread.count))))))),
    h("p", { class: "note" }, `${plural(total.retried, "attempt")} failed and ${total.retried === 1 ? "is" : "are"} tried again; ${plural(total.dead_lettered, "dispatch", "dispatches")} given up.`));
}

function drawActive(section, running, here) {
  if (!section.firstChild) fill(section, h("h2"), h("p", { class: "note" }), h("ul", { class: "stack tight" }));
  const [heading, note, list] = section.children;
  heading.textContent = "Executing";
  note.textContent = running.items.length === 0 ? "Nothing executes at the moment."
    : running.next_cursor ? `The newest of those that execute${here === undefined ? "" : `; ${here} here`}.` : "";
  note.hidden = note.textContent === "";
  reconcile(list, running.items.map(({ usage, ...run }) => run), (run) => run.run_id, (run) => h("li", { class: "row apart" },
    h("span", { class: "row" }, runStamp(run), linkTo.thread(run.thread_id)),
    h("span", { class: "note" }, run.agent_id, ", ", age(run.started_at ?? run.created_at), ", ", linkTo.run(run.run_id, "run"))));
}

function drawNodes(section, { nodes, node }) {
  if (!section.firstChild) fill(section, h("h2", null, "Nodes"), h("ul", { class: "stack" }));
  const shape = nodes.map(({ seen_at, ...rest }) => ({ ...rest, isThis: rest.node === node }));
  reconcile(section.lastChild, shape, (item) => item.node, (item) => h("li", { class: "stack tight" },
    h("div", { class: "row apart" }, h("span", { class: "row" }, nodeStamp(item), h("a", { href: "#/nodes", class: "mono", title: item.node }, short(item.node)), item.isThis && h("span", { class: "note" }, "this one")),
      h("span", { class: "note" }, `${item.active_runs} of ${item.max_concurrent_runs} places taken`)),
    load(item)));
}

/** How full a node is. */
export function load({ active_runs, max_concurrent_runs }) {
  const share = Math.min(100, (100 * active_runs) / Math.max(1, max_concurrent_runs));
  return svg("svg", { class: "load", viewBox: "0 0 100 4", preserveAspectRatio: "none", role: "img", "aria-label": `${Math.round(share)} percent full` },
    svg("rect", { width: share, height: 4 }));
}

const WORDS = {
  run_queued: "was queued",
  run_started: "started",
  run_waiting: "waits for somebody",
  run_resumed: "goes on",
  run_interrupted: "was interrupted",
  dispatch_retried: "will be tried again",
  dispatch_dead_lettered: "was given up",
  message_pending: "has a pending message",
  message_retracted: "lost a pending message",
};

function happeningOf({ type, seq, thread_id, run_id, at, data }) {
  const text = type === "run_finished"
    ? { natural_end: "is done", cancelled: "was cancelled" }[data.termination.type] ?? "ended badly"
    : WORDS[type];
  return text ? { seq, thread: thread_id, run: run_id, at, text } : null;
}

function happeningView({ thread, run, at, text }) {
  return h("li", null, h("time", { datetime: at }, clock(at)),
    h("span", null, h("a", { href: to("threads", thread), class: "mono" }, thread), ` ${text} `, run && linkTo.run(run, "run")));
}
