// The agents in force.

import { get } from "../api.js";
import { plural } from "../format.js";
import { fill, h, reconcile } from "../h.js";
import { every } from "../live.js";
import { empty, facts, failure, head, loading } from "../parts.js";
import { can } from "../session.js";

const LOOK_EVERY_MS = 10000;

export async function agents({ main, signal, title }) {
  title("Agents");
  const list = h("ul", { class: "cards" });
  const place = h("div", null, loading());
  fill(main, head({ title: "Agents", text: "As the configuration has them now. A run keeps the version that it began with." }), place);
  const look = every(LOOK_EVERY_MS, signal, async () => {
    const { items } = await get("/v1/agents", { signal });
    reconcile(list, items, (agent) => agent.agent_id, card);
    fill(place, items.length > 0 ? list : empty("There are no agents", "Describe one in postroom.toml under [agents.NAME]; the server takes it up while it runs."));
  }, (error) => fill(place, failure(error, () => look())));
}

function card(agent) {
  const asks = new Set(agent.approve);
  // Patterns are rules for tools that are listed, or will be, under other names.
  const rules = agent.approve.filter((rule) => !agent.tools.includes(rule));
  return h("li", { class: "sheet" },
    h("div", { class: "row apart" }, h("h2", null, agent.agent_id), can("write") && h("a", { class: "button small", href: `#/new?agent=${encodeURIComponent(agent.agent_id)}` }, "Write to it")),
    facts([["Model", agent.model], ["Provider", agent.provider], ["Version", h("span", { class: "mono" }, agent.version)], ["At most", plural(agent.max_steps, "step")]]),
    h("div", null, h("p", { class: "note" }, "Tools"), agent.tools.length === 0 ? h("p", null, "none")
      : h("div", { class: "marks" }, agent.tools.map((tool) => h("span", { class: "tag" }, tool, asks.has(tool) && " · asks first")))),
    rules.length > 0 && h("div", null, h("p", { class: "note" }, "Waits for a person before"), h("div", { class: "marks" }, rules.map((rule) => h("span", { class: "tag" }, rule)))),
    h("a", { href: `#/runs?agent=${encodeURIComponent(agent.agent_id)}` }, "Its runs"));
}
