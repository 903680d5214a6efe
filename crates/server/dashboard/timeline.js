// A thread's runs and how they were delivered, newest first.

import { part, post } from "./api.js";
import { age, between, count, duration, short } from "./format.js";
import { h } from "./h.js";
import { act, linkTo } from "./parts.js";
import { can } from "./session.js";
import { dispatchStamp, kindOfRun, runStamp } from "./stamp.js";
import { toast } from "./toast.js";

/** One run with its dispatches. */
export function stopView({ run, dispatches }, changed) {
  const took = between(run.started_at, run.finished_at);
  const tokens = run.usage.input_tokens + run.usage.output_tokens;
  return h("li", { class: `stop ${kindOfRun(run)}` },
    h("div", { class: "row apart" }, h("span", { class: "row" }, runStamp(run), linkTo.run(run.run_id, short(run.run_id))),
      run.status !== "done" && can("write") && act("Cancel", { class: "button small", "data-do": "cancel" }, async () => {
        await post(`/v1/runs/${part(run.run_id)}/cancel`, undefined);
        toast(run.status === "running" ? "Asked to stop." : "Cancelled.");
        changed();
      })),
    h("p", { class: "sub" }, age(run.created_at), ` · ${run.agent_id}`,
      run.origin !== "user" && ` · from ${run.origin === "a2a" ? "another agent" : run.origin}`,
      took !== null && ` · ${duration(took)}`,
      run.steps > 0 && ` · ${count(run.steps)} ${run.steps === 1 ? "step" : "steps"}`,
      tokens > 0 && ` · ${count(tokens)} tokens`),
    run.error && h("p", { class: "wrong" }, run.error),
    dispatches.length > 0 && h("ul", { class: "deliveries", "aria-label": "Deliveries" }, dispatches.map(delivery)));
}

function delivery(dispatch) {
  const failed = dispatch.attempt_count > 0;
  return h("li", null,
    h("span", { class: "row" }, dispatchStamp(dispatch), h("span", { class: "mono", title: dispatch.dispatch_id }, short(dispatch.dispatch_id)),
      dispatch.requeued_as && h("span", { class: "note" }, `retried as ${short(dispatch.requeued_as)}`)),
    h("span", { class: "sub" }, age(dispatch.created_at),
      failed && ` · ${dispatch.attempt_count} of ${dispatch.max_attempts} attempts failed`,
      dispatch.claimed_by && [" · at node ", h("span", { class: "mono", title: dispatch.claimed_by }, short(dispatch.claimed_by))],
      dispatch.status === "queued" && [" · due ", age(dispatch.available_at)]),
    dispatch.last_error && dispatch.status !== "acked" && h("span", { class: "wrong" }, dispatch.last_error));
}
