// A first message to a thread that is there or not.

import { composer } from "../composer.js";
import { fill, h } from "../h.js";
import { empty, head } from "../parts.js";
import { go, to } from "../router.js";
import { can } from "../session.js";

export async function compose({ main, query, title }) {
  title("New thread");
  const heading = head({ title: "Write to an agent", crumb: h("a", { href: "#/threads" }, "Threads"),
    text: "The message starts a run at once, or joins the queue of a thread that has work." });
  if (!can("write")) {
    fill(main, heading, empty("Your key may read, and not write", "Ask for a key with the scope write."));
    return;
  }
  const name = h("input", { type: "text", id: "thread", name: "thread", autocomplete: "off", placeholder: "a new one", value: query.get("thread") ?? "" });
  const form = composer({
    target: () => name.value.trim() || null,
    sent: ({ thread_id }) => go(to("threads", thread_id)),
  });
  fill(main, heading, h("div", { class: "stack" },
    h("div", { class: "field search" }, h("label", { for: "thread" }, "Thread"), name), form.element));
  if (query.get("agent")) form.chooseAgent(query.get("agent"));
  form.focus();
}
