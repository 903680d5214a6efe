// What is around every screen: the way to the others, the state of the house, the switch of colours.

import { get, onConnection } from "./api.js";
import { plural } from "./format.js";
import { fill, h } from "./h.js";
import { icon, sign } from "./icons.js";
import { all } from "./keys.js";
import { every } from "./live.js";
import { show } from "./dialog.js";
import { can, current, logOut, operates } from "./session.js";
import { toastPlace } from "./toast.js";

/** What there is, in groups. A new screen is a line here and a route in app.js. */
const NAVIGATION = [
  ["Look", [
    ["overview", "Overview", "#/"],
    ["threads", "Threads", "#/threads"],
    ["runs", "Runs", "#/runs"],
  ]],
  ["Handle", [
    ["approvals", "Approvals", "#/approvals"],
    ["dead-letters", "Dead letters", "#/dead-letters"],
    ["schedules", "Schedules", "#/schedules"],
  ]],
  ["House", [
    ["agents", "Agents", "#/agents"],
    ["keys", "Keys", "#/keys"],
    ["nodes", "Nodes", "#/nodes"],
    ["settings", "Settings", "#/settings"],
  ]],
];

/** What is of the installation, and so of no tenant. */
const OF_THE_INSTALLATION = ["nodes", "settings"];

/** What a key of this tenant sees. */
const isSeen = (name) => (name === "keys" ? can("admin") : operates() || !OF_THE_INSTALLATION.includes(name));

const LOOK_EVERY_MS = 5000;

/** Builds the shell, and returns where screens go and how to mark the one that is open. */
export function shell(signal) {
  const main = h("main", { id: "main", tabindex: "-1" });
  const links = new Map();
  const tallies = { approvals: tally("that wait"), "dead-letters": tally("given up", "failed") };
  const groups = NAVIGATION.map(([title, entries]) => h("div", null, h("h2", null, title), h("ul", null,
    entries.filter(([name]) => isSeen(name)).map(([name, text, href]) => {
      const link = h("a", { href }, icon(name), text, tallies[name]?.element);
      links.set(name, link);
      return h("li", null, link);
    }))));
  const nav = h("nav", { class: "nav", "aria-label": "Screens", id: "nav" }, groups);
  const menu = h("button", { type: "button", class: "button small menu", "aria-expanded": "false", "aria-controls": "nav",
    onclick: () => toggle(!side.classList.contains("open")) }, "Menu");
  const lamp = h("span", { class: "lamp", "aria-hidden": "true" });
  const state = h("span", null, "…");
  const foot = h("div", { class: "foot" },
    h("div", { class: "row" }, lamp, state),
    themes(),
    h("div", { class: "row" },
      h("button", { type: "button", class: "button small", onclick: help }, "Shortcuts ", h("kbd", null, "?")),
      current().needsKey && h("button", { type: "button", class: "button small", onclick: async () => {
        await logOut();
        location.reload();
      } }, "Log out")));
  const side = h("header", { class: "side" },
    h("div", { class: "top" },
      h("a", { class: "brand", href: "#/" }, sign(), h("div", null, h("b", null, "Postroom"), h("span", null, current().tenant ?? "mailbox for agents"))),
      menu),
    nav, foot);
  const toggle = (open) => {
    side.classList.toggle("open", open);
    menu.setAttribute("aria-expanded", String(open));
  };
  const banner = h("div", { class: "banner", role: "alert", hidden: true },
    "The server does not answer. What you see is what it last said; trying again.");
  onConnection((answers) => {
    banner.hidden = answers;
    lamp.classList.toggle("off", !answers);
  });

  const skip = h("a", { class: "skip", href: "#main", onclick: (event) => {
    event.preventDefault();
    main.focus();
  } }, "Skip to the contents");
  fill(document.body, skip,
    h("div", { class: "shell" }, side, h("div", null, banner, main)), toastPlace());

  const look = every(LOOK_EVERY_MS, signal, async () => {
    const [system, waiting] = await Promise.all([
      get("/v1/system", { signal }),
      get("/v1/runs?status=waiting&limit=100", { signal }),
    ]);
    const asking = waiting.items.filter((run) => run.waiting?.tickets.length > 0).length;
    tallies.approvals.set(asking, waiting.next_cursor !== null);
    tallies["dead-letters"].set(system.depth.dead_letter);
    lamp.classList.toggle("off", system.status !== "ready");
    const nodes = system.nodes?.filter((node) => node.status === "ready").length;
    fill(state, system.nodes ? `${system.status}, ${plural(Math.max(nodes, 1), "node")}, ${system.store}` : system.status);
  });

  return {
    main,
    look,
    mark(section) {
      toggle(false);
      for (const [name, link] of links) {
        if (name === section) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    },
  };
}

/** How many, where there are any. */
function tally(what, kind = "") {
  const element = h("span", { class: `tally ${kind}`, hidden: true });
  const set = (number, more = false) => {
    element.hidden = number === 0;
    fill(element, more ? `${number}+` : `${number}`, h("span", { class: "unseen" }, ` ${what}`));
  };
  return { element, set };
}

function themes() {
  const theme = window.postroomTheme;
  return h("fieldset", { class: "theme" }, h("legend", { class: "unseen" }, "Colours"),
    theme.choices.map((choice) => h("label", null,
      h("input", { type: "radio", name: "theme", value: choice, checked: theme.get() === choice, onchange: () => theme.set(choice) }),
      h("span", null, { system: "Auto", light: "Light", dark: "Dark" }[choice]))));
}

/** Says which keys do what. */
export function help() {
  show("Shortcuts", h("ul", { class: "shortcuts" }, all().map(({ keys, what }) =>
    h("li", null, h("span", null, what), h("span", null, keys.split(" ").map((key, at) => [at > 0 ? " then " : null, h("kbd", null, key)]))))));
}
