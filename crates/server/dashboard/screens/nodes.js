// The nodes that work on the store.

import { get } from "../api.js";
import { age, short } from "../format.js";
import { fill, h, reconcile } from "../h.js";
import { every } from "../live.js";
import { empty, facts, failure, head, loading } from "../parts.js";
import { nodeStamp } from "../stamp.js";
import { load } from "./overview.js";

const LOOK_EVERY_MS = 3000;

export async function nodes({ main, signal, title }) {
  title("Nodes");
  const list = h("ul", { class: "cards" });
  const place = h("div", null, loading());
  fill(main, head({ title: "Nodes", text: "Each says every few seconds that it lives. One that is silent for longer than a lease is taken for dead, and others go on with its runs." }), place);
  const look = every(LOOK_EVERY_MS, signal, async () => {
    const system = await get("/v1/system", { signal });
    reconcile(list, system.nodes.map((node) => ({ ...node, isThis: node.node === system.node })), (node) => node.node, card);
    fill(place, system.nodes.length > 0 ? list : empty("No node is listed yet", "A node lists itself within seconds of its start."));
  }, (error) => fill(place, failure(error, () => look())));
}

function card(node) {
  return h("li", { class: "sheet" },
    h("div", { class: "row apart" }, h("h2", { class: "mono", title: node.node }, short(node.node)), h("span", { class: "row" }, node.isThis && h("span", { class: "note" }, "this one"), nodeStamp(node))),
    h("div", { class: "stack tight" }, load(node), h("p", { class: "note" }, `${node.active_runs} of ${node.max_concurrent_runs} places taken`)),
    facts([
      ["Address", node.address && h("span", { class: "mono" }, node.address)], ["Version", node.version],
      ["Started", age(node.started_at)], ["Seen", age(node.seen_at)],
    ]));
}
