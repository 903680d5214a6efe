// All threads: found by their names or metadata, a page at a time.

import { get, path } from "../api.js";
import { age, count } from "../format.js";
import { fill, h, reconcile } from "../h.js";
import { every, soon } from "../live.js";
import { command, empty, failure, head, linkTo, loading, postroom } from "../parts.js";
import { pager } from "../pager.js";
import { note } from "../router.js";
import { can } from "../session.js";
import { threadStamps } from "../stamp.js";

const PAGE = 50;
const LOOK_EVERY_MS = 5000;
const TYPING_MS = 250;
const METADATA_MAX = 4;

export async function threads({ main, signal, query, title }) {
  title("Threads");
  const field = h("input", { type: "search", name: "q", "aria-label": "Search threads by id or metadata",
    placeholder: "Part of an id, or of metadata", value: query.get("q") ?? "", "aria-keyshortcuts": "/" });
  const form = h("form", { class: "search", role: "search", onsubmit: (event) => {
    event.preventDefault();
    begin();
  } }, field, h("button", { class: "button" }, "Search"));
  const rows = h("tbody");
  const table = h("div", { class: "sheet" }, h("table", { class: "table folds" },
    h("thead", null, h("tr", null, ["Thread", "State"].map((name) => h("th", { scope: "col" }, name)), h("th", { scope: "col", class: "number" }, "Messages"),
      ["Last change", "Metadata"].map((name) => h("th", { scope: "col" }, name)))), rows));
  const place = h("div", null, loading());
  const said = h("p", { class: "unseen", role: "status" });
  let wanted = 0;
  let isAsked = true;

  const load = async () => {
    const text = field.value.trim();
    // The list keeps itself up to date; a search is done when somebody asks.
    if (text && !isAsked) return;
    isAsked = false;
    const mine = (wanted += 1);
    const page = await get(path("/v1/threads", { limit: PAGE, cursor: pages.cursor, q: text }), { signal });
    // Of several answers under way only the newest counts.
    if (mine !== wanted) return;
    reconcile(rows, page.items, (thread) => thread.thread_id, row);
    if (page.items.length > 0) {
      fill(place, table, pages.element);
    } else if (page.next_cursor) {
      fill(place, empty("Nothing so far", "The newest threads do not have this text. Older ones have not been looked through yet."), pages.element);
    } else {
      fill(place, text || pages.cursor ? nothingFound(text) : nobody(), pages.element);
    }
    pages.show(page.next_cursor);
    said.textContent = text ? `${page.items.length}${page.next_cursor ? " or more" : ""} found` : "";
  };
  const failed = (error) => fill(place, failure(error, look));
  const look = () => {
    isAsked = true;
    turn();
  };
  const pages = pager(look);
  const begin = () => {
    note({ q: field.value.trim() });
    pages.reset();
    look();
  };
  field.addEventListener("input", soon(TYPING_MS, signal, begin));
  fill(main, head({ title: "Threads", text: "Conversations, the newest first.",
    actions: can("write") ? [h("a", { class: "button main", href: "#/new" }, "New thread")] : [] }), form, said, place);
  const turn = every(LOOK_EVERY_MS, signal, load, failed);
}

function row(thread) {
  const metadata = Object.entries(thread.metadata);
  const marks = threadStamps(thread);
  return h("tr", null,
    h("td", null, linkTo.thread(thread.thread_id, { "data-row": true }),
      thread.parent_thread_id && h("div", { class: "note" }, "opened from ", linkTo.thread(thread.parent_thread_id))),
    h("td", null, h("span", { class: "marks" }, marks.length > 0 ? marks : h("span", { class: "stamp" }, thread.latest_run_id ? "idle" : "unused"))),
    h("td", { class: "number", "data-label": "Messages" }, count(thread.message_count)),
    h("td", null, age(thread.updated_at)),
    h("td", null, h("span", { class: "marks" }, metadata.slice(0, METADATA_MAX).map(([key, value]) =>
      h("span", { class: "tag" }, `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`.slice(0, 60))),
    metadata.length > METADATA_MAX && h("span", { class: "note" }, `and ${metadata.length - METADATA_MAX} more`))));
}

function nothingFound(text) {
  return empty(text ? `No thread has “${text}”` : "No more threads",
    text ? "A search looks for the text in ids and in metadata, in any case. It does not look into messages." : "This was the last page.");
}

function nobody() {
  return empty("There are no threads yet", "A thread begins with its first message. Write to an agent here, or in a terminal:",
    command(postroom("send -t demo \"hello\"")));
}
