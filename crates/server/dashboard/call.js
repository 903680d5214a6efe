// A tool call: what it was asked, and what came of it.

import { data, isEmpty } from "./data.js";
import { h } from "./h.js";

const BRIEF = 90;

/** `call` has id, name, arguments (or `written`, what there is of them), and output once it is done. */
export function callView(call) {
  const given = call.arguments ?? call.written;
  const has = !isEmpty(given) && given !== "";
  return h("div", { class: "call" },
    h("div", { class: "row" },
      h("span", { class: "name" }, call.name),
      state(call),
      call.decision?.reason && h("span", { class: "note" }, `“${call.decision.reason}”`)),
    has && fold("Arguments", given),
    call.shown && !call.isDone && h("pre", { class: "data" }, call.shown),
    call.isDone && !isEmpty(call.output) && fold(call.isError ? "Error" : "Result", call.output));
}

function state(call) {
  if (call.isDone && call.output?.denied) return h("span", { class: "stamp failed" }, "denied");
  if (call.isDone) return h("span", { class: `stamp ${call.isError ? "failed" : "done"}` }, call.isError ? "failed" : "done");
  if (call.isAsking) return h("span", { class: "stamp waiting" }, "asks");
  if (call.isOver) return h("span", { class: "stamp" }, "no result");
  return h("span", { class: "stamp running" }, call.arguments === undefined ? "is written" : "called");
}

/** Short values at once, long ones on demand. */
function fold(title, value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text.length <= BRIEF) return h("div", { class: "row" }, h("span", { class: "note" }, title), h("code", null, text));
  return h("details", null, h("summary", null, title), typeof value === "string" ? h("pre", { class: "data" }, value) : data(value));
}
