// One thread: the conversation as it goes, its runs and deliveries, and a place to write.

import { get, part, post } from "../api.js";
import { composer } from "../composer.js";
import { data, isEmpty } from "../data.js";
import { ask } from "../dialog.js";
import { plural } from "../format.js";
import { fill, h, reconcile } from "../h.js";
import { every, soon } from "../live.js";
import { draftView, messageView, withCalls } from "../message.js";
import { act, empty, failure, head, linkTo, loading } from "../parts.js";
import { slipView } from "../pending.js";
import { Replay } from "../replay.js";
import { can } from "../session.js";
import { threadStamps } from "../stamp.js";
import { follow } from "../stream.js";
import { ticketsOf, ticketView } from "../ticket.js";
import { stopView } from "../timeline.js";
import { toast } from "../toast.js";

const MESSAGES = 60;
const RUNS = 15;
const DISPATCHES = 60;
const CHANGE_MS = 120;
/** A change that no event tells of, such as a lease that expires, is seen after this at the latest. */
const LOOK_EVERY_MS = 15000;

export async function thread(screen) {
  const { main, signal, parameters } = screen;
  screen.title(parameters.thread);
  fill(main, head({ title: parameters.thread, crumb: crumb() }), loading());
  const view = new ThreadView(screen);
  await view.begin();
  follow(`/v1/threads/${part(parameters.thread)}/events`, {
    after: view.seen, signal, heard: (event) => view.hear(event), state: (state) => view.streams(state),
  });
  every(LOOK_EVERY_MS, signal, () => view.look());
}

const crumb = () => h("a", { href: "#/threads" }, "Threads");

class ThreadView {
  constructor({ main, signal, parameters, look }) {
    this.id = parameters.thread;
    this.base = `/v1/threads/${part(this.id)}`;
    this.main = main;
    this.signal = signal;
    this.lookAround = look;
    this.logged = [];
    /** The run that executes, as it is told. */
    this.replay = new Replay();
    this.lookSoon = soon(CHANGE_MS, signal, () => this.look().catch((error) => this.fail(error)));
    this.drawSoon = soon(30, signal, () => this.drawTalk());

    this.top = h("div");
    this.trouble = h("div");
    this.earlier = h("div");
    this.talk = h("ul", { class: "talk", "aria-label": "Conversation" });
    this.draft = h("ul", { class: "talk" });
    this.tickets = h("div", { class: "stack" });
    this.slips = h("ul", { class: "pending", "aria-label": "Pending messages" });
    this.stops = h("ol");
    this.more = h("p", { class: "note" });
    this.composer = can("write") ? composer({
      target: () => this.id,
      state: () => this.state(),
      sent: () => this.look(true),
    }) : null;
  }

  async begin() {
    this.column = h("section", { class: "stack", "aria-label": "Conversation" },
      this.earlier, this.talk, this.draft, this.tickets, this.slips, this.composer?.element);
    const [thread, pending] = await Promise.all([this.read(""), this.read("/pending")]);
    this.thread = thread;
    this.seen = thread.event_count;
    const first = Math.max(0, thread.message_count - MESSAGES);
    const [messages, runs, dispatches] = await Promise.all([
      this.read(`/messages?after_seq=${first}&limit=${MESSAGES + 40}`), this.read(`/runs?limit=${RUNS}`), this.read(`/dispatches?limit=${DISPATCHES}`),
    ]);
    this.logged = messages.items;
    this.pending = pending.items;
    this.runs = runs;
    this.dispatches = dispatches.items;
    if (thread.active_run_id) await this.catchUp(thread.active_run_id);
    fill(this.main, this.top, this.trouble, h("div", { class: "thread" },
      this.column,
      h("aside", { class: "timeline", "aria-label": "Runs and deliveries", tabindex: "0" }, h("h2", null, "Runs"), this.stops, this.more)));
    this.draw();
    this.toEnd();
  }

  read(rest) {
    return get(`${this.base}${rest}`, { signal: this.signal });
  }

  /** What the run that executes has said before this page was opened. */
  async catchUp(run) {
    this.told = { run, upTo: 0 };
    let cursor = null;
    do {
      const page = await get(`/v1/runs/${part(run)}/events?limit=1000${cursor ? `&cursor=${cursor}` : ""}`, { signal: this.signal });
      page.items.forEach((event) => this.replay.apply(event));
      this.told.upTo = page.items.at(-1)?.seq ?? this.told.upTo;
      cursor = page.next_cursor;
    } while (cursor);
  }

  hear(event) {
    if (event.run_id === this.told?.run && event.seq <= this.told.upTo) return;
    if (event.type === "run_started" && event.data.attempt === 1) this.replay = new Replay();
    this.replay.apply(event);
    if (event.type.endsWith("_delta") || event.type.startsWith("tool_call")) this.drawSoon();
    else this.lookSoon();
    if (event.type === "tool_call_finished") this.lookSoon();
  }

  streams(state) {
    if (state instanceof Error) this.fail(state);
  }

  fail(error) {
    if (error.name === "AbortError" || this.signal.aborted) return;
    fill(this.trouble, failure(error, () => this.look().then(() => fill(this.trouble), (again) => this.fail(again))));
  }

  /** Reads what may have changed. */
  async look(toEnd = false) {
    const wasAtEnd = toEnd || this.isAtEnd();
    const after = this.logged.at(-1)?.seq ?? 0;
    const [thread, messages, pending, runs, dispatches] = await Promise.all([
      this.read(""), this.read(`/messages?after_seq=${after}&limit=1000`), this.read("/pending"),
      this.read(`/runs?limit=${RUNS}`), this.read(`/dispatches?limit=${DISPATCHES}`),
    ]);
    const last = this.logged.at(-1)?.seq ?? 0;
    this.logged.push(...messages.items.filter((item) => item.seq > last));
    Object.assign(this, { thread, pending: pending.items, runs, dispatches: dispatches.items });
    this.draw();
    this.lookAround();
    if (wasAtEnd) this.toEnd();
  }

  async lookBack() {
    const first = this.logged[0]?.seq ?? 1;
    const after = Math.max(0, first - 1 - MESSAGES);
    const page = await this.read(`/messages?after_seq=${after}&limit=${first - 1 - after}`);
    const height = document.documentElement.scrollHeight;
    this.logged.unshift(...page.items);
    this.draw();
    window.scrollBy(0, document.documentElement.scrollHeight - height);
  }

  draw() {
    this.drawHead();
    this.drawTalk();
    reconcile(this.tickets, this.asking(), (asking) => `${asking.run_id} ${asking.ticket.tool_call_id}`,
      (asking) => ticketView(asking, { done: this.lookSoon, withPlace: false }));
    const all = this.pending.map((item) => item.message_id);
    reconcile(this.slips, this.pending.map((item) => ({ item, all, thread: this.id })), ({ item }) => item.message_id, (slip) => slipView(slip, this.lookSoon));
    const of = (run) => this.dispatches.filter((dispatch) => dispatch.run_id === run.run_id).map(({ run_response, ...rest }) => rest);
    reconcile(this.stops, this.runs.items.map((run) => ({ run, dispatches: of(run) })), ({ run }) => run.run_id, (stop) => stopView(stop, this.lookSoon));
    fill(this.more, this.runs.next_cursor ? h("a", { href: `#/runs?thread=${encodeURIComponent(this.id)}` }, "All runs of this thread") : this.runs.items.length === 0 && "No run yet.");
    this.composer?.update();
  }

  state() {
    if (this.asking().length > 0) return "waiting";
    return this.thread?.active_run_id || this.thread?.queued ? "busy" : "idle";
  }

  asking() {
    return this.runs?.items.flatMap(ticketsOf) ?? [];
  }

  drawHead() {
    const { thread } = this;
    const shape = JSON.stringify([thread.metadata, thread.active_run_id, thread.open_run_id, thread.queued, thread.pending, thread.message_count, thread.dispatch_epoch, thread.latest_run_id]);
    if (shape === this.headShape) return;
    this.headShape = shape;
    const actions = can("write") ? [
      thread.active_run_id && act("Stop the run", { "data-do": "stop" }, async () => {
        await post(`/v1/runs/${part(thread.active_run_id)}/cancel`, undefined);
        toast("Asked to stop.");
        this.lookSoon();
      }),
      thread.queued > 0 && act("Clear the queue…", { class: "button bad", "data-do": "clear" }, () => this.clear()),
    ].filter(Boolean) : [];
    const parent = thread.parent_thread_id && h("span", null, ", opened from ", linkTo.thread(thread.parent_thread_id));
    fill(this.top, head({
      title: thread.thread_id, crumb: crumb(), marks: threadStamps(thread),
      text: h("span", null, `${plural(thread.message_count, "message")}, ${plural(thread.event_count, "event")}`,
        thread.dispatch_epoch > 0 && `, interrupted ${plural(thread.dispatch_epoch, "time")}`, parent),
      actions,
    }), !isEmpty(thread.metadata) && h("details", null, h("summary", null, "Metadata"), data(thread.metadata)));
  }

  async clear() {
    const done = await ask({
      title: "Clear the queue?", action: "Clear it", kind: "main",
      contents: [h("p", null, "What is queued is superseded and never starts; the run that executes is asked to stop. Messages stay in the log.")],
      submit: () => post(`${this.base}/interrupt`, undefined),
    });
    if (done) toast("The thread is interrupted.");
    this.lookSoon();
  }

  drawTalk() {
    const tickets = new Set(this.asking().map(({ ticket }) => ticket.tool_call_id));
    tickets.isIdle = !this.thread.active_run_id && !this.thread.open_run_id;
    const wasAtEnd = this.isAtEnd();
    reconcile(this.talk, withCalls(this.logged, tickets), (item) => item.seq, messageView);
    const draft = this.thread.active_run_id ? this.replay.draft : [];
    reconcile(this.draft, draft.length > 0 ? [draft] : [], () => "draft", draftView);
    const first = this.logged[0]?.seq ?? 1;
    const isMore = first > 1;
    if (this.earlierShape !== first) {
      this.earlierShape = first;
      fill(this.earlier, isMore && act(`Earlier messages (${first - 1})`, { class: "button small", "data-do": "earlier" }, () => this.lookBack()));
    }
    if (this.logged.length === 0 && this.pending.length === 0 && !this.earlier.firstChild) fill(this.earlier, empty("Nothing was said yet", "Write the first message below."));
    if (wasAtEnd && draft.length > 0) this.toEnd();
  }

  isAtEnd() {
    return Boolean(this.column?.isConnected) && this.column.getBoundingClientRect().bottom <= window.innerHeight + 80;
  }

  toEnd() {
    this.column.scrollIntoView({ block: "end" });
  }
}
