// What is submitted again and again, and when.

import { get, part, path, post, remove } from "../api.js";
import { ask } from "../dialog.js";
import { moment } from "../format.js";
import { fill, h, reconcile } from "../h.js";
import { every } from "../live.js";
import { act, command, empty, facts, failure, head, linkTo, loading, postroom } from "../parts.js";
import { pager } from "../pager.js";
import { can } from "../session.js";
import { scheduleStamp } from "../stamp.js";
import { toast } from "../toast.js";

const PAGE = 50;
const LOOK_EVERY_MS = 4000;

const MISSED = {
  once: "the newest of them is made good",
  skip: "none of them is made good",
  all: "each of them is made good",
};

export async function schedules({ main, signal, title }) {
  title("Schedules");
  const list = h("ul", { class: "cards" });
  const place = h("div", null, loading());
  const pages = pager(() => look());
  const add = act("New schedule…", { class: "button main", "data-do": "add" }, async () => {
    const schedule = await plan();
    if (schedule) look();
  });
  fill(main, head({ title: "Schedules", text: "Submissions that are made again and again: once for each time, on any number of nodes.",
    actions: can("write") ? [add] : [] }), place);
  const look = every(LOOK_EVERY_MS, signal, async () => {
    const page = await get(path("/v1/schedules", { limit: PAGE, cursor: pages.cursor }), { signal });
    reconcile(list, page.items, (schedule) => schedule.schedule_id, (schedule) => card(schedule, () => look()));
    fill(place, page.items.length > 0 ? list : nothing(), pages.element);
    pages.show(page.next_cursor);
  }, (error) => fill(place, failure(error, () => look())));
}

function nothing() {
  return empty("There are no schedules", "Plan one here, or from a terminal:",
    command(postroom("schedules add --id news --cron \"30 9 * * mon-fri\" \"what is new?\"")));
}

function card(schedule, changed) {
  const { schedule_id: id, run } = schedule;
  const tell = (verb, word) => act(word, { class: "button small", "data-do": verb }, async () => {
    await post(`/v1/schedules/${part(id)}/${verb}`, {});
    changed();
  });
  const end = act("Remove…", { class: "button small bad", "data-do": "remove" }, async () => {
    await ask({
      title: `Remove ${id}?`, action: "Remove it",
      contents: [h("p", null, "It submits nothing more. What it has submitted goes on, and stays.")],
      submit: () => remove(`/v1/schedules/${part(id)}`),
    });
    changed();
  });
  const said = run.messages.map(({ content }) => (typeof content === "string" ? content : "(several parts)")).join(" ");
  return h("li", { class: "sheet" },
    h("div", { class: "row apart" }, h("h2", null, id), scheduleStamp(schedule)),
    h("p", null, said),
    facts([
      ["When", h("span", null, h("code", null, schedule.cron), `, ${schedule.time_zone}`)],
      ["Next", schedule.next_at && moment(schedule.next_at)],
      ["Last", schedule.last_at && moment(schedule.last_at)],
      ["Submitted", `${schedule.fired} times`],
      ["Its last run", schedule.last_run_id && linkTo.run(schedule.last_run_id)],
      ["Thread", run.thread_id ? linkTo.thread(run.thread_id) : "a new one each time"],
      ["Agent", run.agent_id],
      ["Missed times", MISSED[schedule.missed]],
    ]),
    schedule.last_error && h("p", { class: "wrong" }, `The last one was refused: ${schedule.last_error}`),
    can("write") && h("div", { class: "do" },
      schedule.status === "active" && tell("pause", "Pause"),
      schedule.status === "paused" && tell("resume", "Resume"), end));
}

/** Asks for a schedule; resolves with whether one was made. */
function plan() {
  const field = (name, label, attributes, note) => h("div", { class: "field" },
    h("label", { for: name }, label), h("input", { type: "text", id: name, name, autocomplete: "off", ...attributes }), note && h("p", { class: "note" }, note));
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
  return ask({
    title: "New schedule", action: "Plan it",
    contents: [
      field("cron", "When", { required: true, placeholder: "30 9 * * mon-fri" }, "Minute, hour, day of month, month, day of week; seconds may come first."),
      field("time_zone", "Time zone", { value: zone }),
      h("div", { class: "field" }, h("label", { for: "text" }, "What to say"), h("textarea", { id: "text", name: "text", rows: 3, required: true })),
      field("thread_id", "Thread", { placeholder: "a new one each time" }),
      field("agent_id", "Agent", { placeholder: "default" }),
      field("schedule_id", "Name", { placeholder: "made for you" }),
    ],
    submit: async (form) => {
      const given = (name) => form.get(name).trim() || null;
      const made = await post("/v1/schedules", {
        schedule_id: given("schedule_id"), cron: given("cron") ?? "", time_zone: given("time_zone"),
        run: { messages: form.get("text"), thread_id: given("thread_id"), agent_id: given("agent_id") },
      });
      toast(`${made.schedule_id} submits next at ${moment(made.next_at)}.`);
    },
  });
}
