// The beginning: who is here, what is around, and which screen.

import { onSessionLost } from "./api.js";
import { keepAges } from "./format.js";
import { fill } from "./h.js";
import { bind, listen, walkRows } from "./keys.js";
import { failure, head } from "./parts.js";
import { go, here, route } from "./router.js";
import { current, open } from "./session.js";
import { help, shell } from "./shell.js";
import { agents } from "./screens/agents.js";
import { approvals } from "./screens/approvals.js";
import { compose } from "./screens/compose.js";
import { deadLetters } from "./screens/dead_letters.js";
import { keys } from "./screens/keys.js";
import { login } from "./screens/login.js";
import { missing } from "./screens/missing.js";
import { nodes } from "./screens/nodes.js";
import { overview } from "./screens/overview.js";
import { run } from "./screens/run.js";
import { runs } from "./screens/runs.js";
import { schedules } from "./screens/schedules.js";
import { settings } from "./screens/settings.js";
import { thread } from "./screens/thread.js";
import { threads } from "./screens/threads.js";

route("/", "overview", overview);
route("/threads", "threads", threads);
route("/threads/{thread}", "threads", thread);
route("/new", "threads", compose);
route("/runs", "runs", runs);
route("/runs/{run}", "runs", run);
route("/approvals", "approvals", approvals);
route("/dead-letters", "dead-letters", deadLetters);
route("/schedules", "schedules", schedules);
route("/agents", "agents", agents);
route("/keys", "keys", keys);
route("/nodes", "nodes", nodes);
route("/settings", "settings", settings);

bind("g o", "Overview", () => go("#/"));
bind("g t", "Threads", () => go("#/threads"));
bind("g r", "Runs", () => go("#/runs"));
bind("g a", "Approvals", () => go("#/approvals"));
bind("g d", "Dead letters", () => go("#/dead-letters"));
bind("g s", "Schedules", () => go("#/schedules"));
bind("n", "Write to an agent", () => go("#/new"));
bind("/", "Search", () => {
  const field = document.querySelector("main input[type=search]");
  if (field) field.focus();
  else go("#/threads");
});
bind("c", "Write in this thread", () => document.querySelector(".composer textarea")?.focus());
bind("j", "Next row", () => walkRows(1));
bind("k", "Previous row", () => walkRows(-1));
bind("?", "These shortcuts", help);

/** Draws the screen of the address, and the next one when the address changes. */
function show(house) {
  let leave = new AbortController();
  let isFirst = true;
  const draw = async () => {
    leave.abort();
    leave = new AbortController();
    // A question belongs to the screen that asked it.
    document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
    const { signal } = leave;
    const { section, screen, parameters, query } = here();
    house.mark(section);
    window.scrollTo(0, 0);
    fill(house.main);
    const title = (text) => { document.title = text ? `${text} · Postroom` : "Postroom"; };
    title();
    try {
      await (screen ?? missing)({ main: house.main, signal, parameters, query, title, look: house.look });
    } catch (error) {
      if (signal.aborted) return;
      fill(house.main, head({ title: error.status === 404 ? "Not here" : "That did not work" }), failure(error, draw));
    }
    // Whoever reads with their ears learns that the page is another one.
    if (!isFirst && !signal.aborted && !house.main.contains(document.activeElement)) house.main.querySelector("h1")?.focus();
    isFirst = false;
  };
  addEventListener("hashchange", draw);
  draw();
}

async function begin() {
  let session;
  try {
    session = await open();
  } catch (error) {
    fill(document.body, failure(error, begin));
    return;
  }
  if (!session) {
    login(begin);
    return;
  }
  const house = shell(new AbortController().signal);
  show(house);
}

/** A page that was just loaded would be loaded again and again. */
const SETTLED_MS = 5000;

onSessionLost(() => current().needsKey && performance.now() > SETTLED_MS && location.reload());
listen();
keepAges();
begin();
