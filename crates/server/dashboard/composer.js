// Writing to an agent: what, and what happens if the thread already has work.

import { get, part, post } from "./api.js";
import { fill, h } from "./h.js";
import { act } from "./parts.js";
import { newId } from "./ticket.js";
import { toast } from "./toast.js";

const MODES = [
  ["enqueue", "Queue", "Waits its turn behind what is there."],
  ["steer", "Steer", "Joins the executing run at its next step; if that ends first, it comes next."],
  ["interrupt", "Interrupt", "Stops the executing run, drops what is queued, and starts with this."],
  ["rollback", "Roll back", "Interrupts, and hides what is stopped from later prompts."],
  ["reject", "Only if idle", "Is refused if anything executes or is queued."],
];

const AT_ONCE = "Nothing runs here: it starts at once.";
const WHEN_DECIDED = "The run waits for somebody: it reads this when it goes on.";

/**
 * `target()` names the thread, or null for a new one; `sent` is called with the server's answer; `state()`
 * is what the thread does: "idle", "busy" or "waiting".
 */
export function composer({ target, sent, state = () => "idle" }) {
  const text = h("textarea", { name: "message", rows: 2, placeholder: "Write to the agent…", "aria-label": "Message", "aria-keyshortcuts": "Control+Enter" });
  const why = h("p", { class: "note", id: "mode-note" });
  const modes = MODES.map(([mode, name, explained], at) => h("label", null,
    h("input", { type: "radio", name: "mode", value: mode, checked: at === 0, "aria-describedby": "mode-note", onchange: () => explain(explained) }),
    h("span", null, name)));
  const choice = h("fieldset", { class: "modes" }, h("legend", { class: "unseen" }, "If the thread has work"), modes);
  const agent = h("select", { name: "agent", id: "agent" }, h("option", { value: "" }, "as before, or default"));
  const priority = h("input", { type: "number", name: "priority", id: "priority", min: 0, max: 255, placeholder: "128" });
  const delay = h("input", { type: "number", name: "delay", id: "delay", min: 0, placeholder: "0" });
  const more = h("details", null, h("summary", null, "Agent, priority, delay"), h("div", { class: "more" },
    field("Agent", agent), field("Priority, 0 is first", priority), field("Start in so many seconds", delay)));

  const explain = (explained) => { why.textContent = { idle: AT_ONCE, waiting: mode() === "enqueue" || mode() === "steer" ? WHEN_DECIDED : explained }[state()] ?? explained; };
  const mode = () => choice.querySelector("input:checked").value;
  // A repetition of the same words after a failure must not be done twice.
  let key = null;
  const send = async () => {
    const content = text.value;
    if (!content.trim()) {
      text.focus();
      return;
    }
    key ??= newId();
    const body = { messages: [{ role: "user", content }], mode: mode() };
    if (agent.value) body.agent_id = agent.value;
    if (priority.value) body.priority = Number(priority.value);
    if (delay.value) body.delay_ms = Math.round(Number(delay.value) * 1000);
    const thread = target();
    const place = thread === null ? "/v1/runs" : `/v1/threads/${part(thread)}/runs`;
    text.readOnly = true;
    try {
      const answer = await post(place, body, { headers: { "idempotency-key": key } });
      text.value = "";
      key = null;
      choice.querySelector("input").checked = true;
      update();
      toast(answer.status === "running" ? "Sent: it runs." : "Sent: it waits its turn.");
      await sent(answer);
    } catch (error) {
      // Refused is refused; only when the outcome is not known must the next try be the same.
      if (!error.isPassing) key = null;
      throw error;
    } finally {
      text.readOnly = false;
      text.focus();
    }
  };
  const button = act("Send", { class: "button main", "data-do": "send", title: "Ctrl+Enter" }, send);
  text.addEventListener("input", () => { key = null; });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      button.click();
    }
  });
  const update = () => {
    const [, , explained] = MODES.find(([name]) => name === mode());
    explain(explained);
  };
  update();
  get("/v1/agents").then(({ items }) => {
    fill(agent, h("option", { value: "" }, "as before, or default"), items.map(({ agent_id }) => h("option", { value: agent_id }, agent_id)));
  }).catch(() => { /* the agent of before will do */ });

  const element = h("div", { class: "composer" }, h("div", { class: "box" }, text,
    h("div", { class: "row apart" }, choice, button)), why, more);
  return { element, update, focus: () => text.focus(), chooseAgent: (id) => { agent.value = id; } };
}

function field(name, input) {
  return h("div", { class: "field" }, h("label", { for: input.id }, name), input);
}
