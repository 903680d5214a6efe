// The states of runs and dispatches: a word and a colour each, everywhere the same.

import { h } from "./h.js";

const stamp = (kind, text, title) => h("span", { class: `stamp ${kind}`, title }, text);

const REASONS = {
  tool_permission: "waits for approval",
  user_input: "waits for an answer",
  background_tasks: "waits for other runs",
  external_event: "waits for an event",
  rate_limit: "waits for a model's limit",
  manual_pause: "paused",
};

/** The colour of a run. */
export function kindOfRun(run) {
  if (run.status === "created") return "queued";
  if (run.status !== "done") return run.status;
  const type = run.termination?.type;
  if (type === "natural_end") return "done";
  return type === "cancelled" ? "ended" : "failed";
}

/** What a run is, in words. */
export function wordOfRun(run) {
  if (run.status === "created") return "queued";
  if (run.status === "running") return "running";
  if (run.status === "waiting") return REASONS[run.waiting?.reason] ?? "waiting";
  const { type, code } = run.termination ?? {};
  if (type === "natural_end") return "done";
  if (type === "cancelled") return "cancelled";
  if (type === "stopped") return `stopped: ${(code ?? "").replaceAll("_", " ")}`;
  return type === "blocked" ? "blocked" : "failed";
}

export const runStamp = (run) => stamp(kindOfRun(run), wordOfRun(run), run.termination?.message);

const DISPATCHES = {
  queued: ["queued", "queued"],
  claimed: ["running", "claimed"],
  acked: ["done", "acked"],
  cancelled: ["ended", "cancelled"],
  superseded: ["ended", "superseded"],
  dead_letter: ["failed", "dead letter"],
};

export function dispatchStamp(dispatch) {
  const [kind, word] = DISPATCHES[dispatch.status] ?? ["ended", dispatch.status];
  return stamp(kind, word);
}

/** What a thread is doing. */
export function threadStamps(thread) {
  const marks = [];
  if (thread.active_run_id) marks.push(stamp("running", "running"));
  else if (thread.open_run_id && !thread.queued) marks.push(stamp("waiting", "waiting"));
  if (thread.queued) marks.push(stamp("queued", `${thread.queued} queued`));
  if (thread.pending) marks.push(stamp("queued", `${thread.pending} pending`));
  return marks;
}

const SCHEDULES = { active: "done", paused: "queued", ended: "ended" };

export const scheduleStamp = (schedule) => stamp(SCHEDULES[schedule.status] ?? "ended", schedule.status);

/** Whether a key is good. */
export function keyStamp(key) {
  if (key.revoked_at) return stamp("ended", "revoked");
  const isOver = key.expires_at && new Date(key.expires_at) <= new Date();
  return isOver ? stamp("ended", "expired") : stamp("done", "valid");
}

const NODES = { ready: "done", draining: "queued", silent: "failed" };

export const nodeStamp = (node) => stamp(NODES[node.status] ?? "ended", node.status);
