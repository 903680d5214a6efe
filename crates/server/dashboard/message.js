// A message of the conversation.

import { callView } from "./call.js";
import { data } from "./data.js";
import { age } from "./format.js";
import { h } from "./h.js";
import { linkTo } from "./parts.js";

const ROLES = { user: "User", assistant: "Agent", system: "System", tool: "Tool" };

/** The results of calls, by their ids, among messages. */
export function resultsIn(logged) {
  const results = new Map();
  for (const { message } of logged) {
    for (const block of blocks(message)) {
      if (block.type === "tool_result") results.set(block.tool_call_id, block);
    }
  }
  return results;
}

/**
 * A message as it is in the log, with what came of its calls: `{ seq, message, run_id, created_at, calls }`.
 * The answers of tools that are shown with their calls are null.
 */
export function withCalls(logged, tickets) {
  const results = resultsIn(logged);
  const called = new Set(logged.flatMap(({ message }) => (message.tool_calls ?? []).map((call) => call.id)));
  const newest = logged.at(-1)?.seq;
  return logged.map((item) => {
    const { message } = item;
    if (message.role === "tool" && blocks(message).every((block) => called.has(block.tool_call_id))) return null;
    const calls = (message.tool_calls ?? []).map((call) => {
      const result = results.get(call.id);
      return {
        id: call.id, name: call.name, arguments: call.arguments, output: result?.output,
        isError: result?.is_error, isDone: result !== undefined, isAsking: tickets.has(call.id),
        isOver: result === undefined && item.seq !== newest && !tickets.has(call.id) && tickets.isIdle,
      };
    });
    return { ...item, calls };
  }).filter((item) => item !== null);
}

export function messageView({ message, run_id, created_at, calls }) {
  const { role, metadata = {} } = message;
  const sender = metadata.sender_agent;
  const texts = blocks(message).map(blockView);
  return h("li", { class: `letter ${role}` },
    h("div", { class: "by" },
      h("b", null, sender ? `Agent ${sender}` : ROLES[role] ?? role),
      metadata.sender_thread && h("span", null, "from ", linkTo.thread(metadata.sender_thread)),
      message.visibility === "internal" && h("span", { class: "stamp" }, "internal"),
      age(created_at),
      role !== "user" && linkTo.run(run_id, "run")),
    h("div", { class: "body" }, texts, calls.map(callView)));
}

/** What is being written now. */
export function draftView(parts) {
  return h("li", { class: "letter assistant writing" },
    h("div", { class: "by" }, h("b", null, "Agent"), h("span", null, "is writing…")),
    h("div", { class: "body" }, parts.map((part) => {
      if (part.kind === "call") return callView(part);
      return h("div", { class: part.kind }, part.text);
    })));
}

/** A message's text, for who edits it; null where it is more than a text. */
export const plainText = (message) => (typeof message.content === "string" ? message.content : null);

function blocks(message) {
  if (typeof message.content === "string") return message.content ? [{ type: "text", text: message.content }] : [];
  return message.content ?? [];
}

export const contentView = (message) => blocks(message).map(blockView);

function blockView(block) {
  switch (block.type) {
    case "text": return h("div", { class: "text" }, block.text);
    // Another server's image would tell it who looks at this: only its address is shown.
    case "image": return h("div", null, "Image: ", h("span", { class: "tag" }, clip(block.url)));
    case "file": return h("div", null, "File: ", h("span", { class: "tag" }, block.name ?? clip(block.url)));
    case "tool_result": return callView({ id: block.tool_call_id, name: block.tool_call_id, output: block.output, isError: block.is_error, isDone: true });
    default: return data(block.value ?? block);
  }
}

const clip = (text) => (text.length > 120 ? `${text.slice(0, 120)}…` : text);
