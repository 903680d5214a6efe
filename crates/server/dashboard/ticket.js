// A tool call that waits for a person: what it wants, and what can be said to it.

import { part, post } from "./api.js";
import { data, isEmpty } from "./data.js";
import { age } from "./format.js";
import { h } from "./h.js";
import { act, linkTo } from "./parts.js";
import { can } from "./session.js";
import { toast } from "./toast.js";

/** `asking` is `{ run_id, thread_id, agent_id, since, ticket }`; `done` is called once it is decided. */
export function ticketView(asking, { done, withPlace = true }) {
  const { ticket, run_id } = asking;
  const isQuestion = ticket.tool_name === "ask_user";
  const decide = async (decision, said) => {
    await post(`/v1/runs/${part(run_id)}/decisions`, [{ tool_call_id: ticket.tool_call_id, decision_id: newId(), ...decision }]);
    toast(said);
    done();
  };
  const form = h("div", { class: "stack tight" });
  const given = isQuestion ? {} : ticket.arguments;
  return h("article", { class: "ticket", "aria-label": `${ticket.tool_name} asks` },
    h("div", { class: "row apart" },
      h("div", { class: "row" },
        h("span", { class: "tag" }, ticket.tool_name),
        h("span", { class: "note" }, "for ", h("b", null, asking.agent_id))),
      h("span", { class: "note" }, withPlace && ["in ", linkTo.thread(asking.thread_id), ", "], linkTo.run(run_id, "run"), " began ", age(asking.since))),
    h("p", { class: "question" }, ticket.message),
    !isEmpty(given) && data(given),
    can("write")
      ? [isQuestion ? answering(ticket, decide) : deciding(ticket, decide, form), form]
      : h("p", { class: "note" }, "Your key may read, and not decide."));
}

function deciding(ticket, decide, form) {
  return h("div", { class: "row" },
    act("Approve", { class: "button good", "data-do": "approve" }, () => decide({ action: "resume" }, `${ticket.tool_name} is approved.`)),
    h("button", { type: "button", class: "button", "data-do": "change", onclick: () => change(ticket, decide, form) }, "Change arguments…"),
    h("button", { type: "button", class: "button bad", "data-do": "deny", onclick: () => deny(ticket, decide, form) }, "Deny…"),
    h("button", { type: "button", class: "button quiet", "data-do": "answer", onclick: () => answer(ticket, decide, form) }, "Answer in its place…"));
}

/** One form at a time below the buttons. */
function open(form, { label, name, value, hint, rows, mono, action, kind, read }) {
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
  const id = newId();
  const field = h("textarea", { id, name, rows, class: mono && "mono", spellcheck: mono ? "false" : "true", value });
  const submit = act(action, { class: `button ${kind}`, "data-do": "submit" }, async () => {
    wrong.hidden = true;
    try {
      await read(field.value);
    } catch (error) {
      wrong.textContent = error.message;
      wrong.hidden = false;
      field.focus();
    }
  });
  form.replaceChildren(
    h("div", { class: "field" }, h("label", { for: id }, label), field, hint && h("p", { class: "note" }, hint), wrong),
    h("div", { class: "row" }, submit, h("button", { type: "button", class: "button quiet", onclick: () => form.replaceChildren() }, "Close")));
  field.focus();
}

function change(ticket, decide, form) {
  open(form, {
    label: "Arguments", name: "arguments", rows: 6, mono: true, value: JSON.stringify(ticket.arguments, null, 2),
    hint: "The tool is called with these, as JSON.", action: "Approve with these", kind: "good",
    read: (text) => {
      const changed = parse(text);
      if (changed === null || typeof changed !== "object" || Array.isArray(changed)) throw new Error("Arguments are a JSON object: { … }.");
      return decide({ action: "resume", arguments: changed }, `${ticket.tool_name} is approved with changed arguments.`);
    },
  });
}

function deny(ticket, decide, form) {
  open(form, {
    label: "Reason", name: "reason", rows: 2, value: "", hint: "The agent reads it. It may be left empty.", action: "Deny", kind: "bad",
    read: (text) => decide({ action: "cancel", reason: text.trim() || undefined }, `${ticket.tool_name} is denied.`),
  });
}

function answer(ticket, decide, form) {
  open(form, {
    label: "Result", name: "result", rows: 4, mono: true, value: "", hint: "The tool is not called; this is taken for its result: JSON, or a text.", action: "Give this result", kind: "good",
    read: (text) => {
      if (!text.trim()) throw new Error("Write the result first.");
      return decide({ action: "resume", result: jsonOrText(text) }, "The result is given.");
    },
  });
}

function answering(ticket, decide) {
  const id = newId();
  const field = h("textarea", { id, name: "reply", rows: 2 });
  const reply = async (text) => {
    if (!text.trim()) {
      field.focus();
      throw new Error("Write an answer first.");
    }
    await decide({ action: "resume", result: text.trim() }, "Your answer is sent.");
  };
  const options = Array.isArray(ticket.arguments?.options) ? ticket.arguments.options : [];
  return [
    options.length > 0 && h("div", { class: "row" }, options.map((option) =>
      act(String(option), { class: "button", "data-do": "option" }, () => reply(String(option))))),
    h("div", { class: "field" }, h("label", { for: id }, "Your answer"), field),
    h("div", { class: "row" },
      act("Send the answer", { class: "button good", "data-do": "reply" }, () => reply(field.value)),
      act("Don't answer", { class: "button bad", "data-do": "deny" }, () => decide({ action: "cancel" }, "The question is closed without an answer."))),
  ];
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`);
  }
}

function jsonOrText(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The open tickets of a run that waits. */
export function ticketsOf(run) {
  return (run.waiting?.tickets ?? []).map((ticket) => ({
    run_id: run.run_id, thread_id: run.thread_id, agent_id: run.agent_id, since: run.started_at ?? run.created_at, ticket,
  }));
}

/** Names something for ever. `crypto.randomUUID` is there on localhost and with TLS only. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `d-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
