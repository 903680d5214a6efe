// The settings in force, and where each was set.

import { get } from "../api.js";
import { fill, h } from "../h.js";
import { command, failure, head, loading } from "../parts.js";

export async function settings({ main, signal, title }) {
  title("Settings");
  const place = h("div", null, loading());
  const field = h("input", { type: "search", "aria-label": "Find a setting", placeholder: "Find a setting", oninput: () => draw() });
  const changed = h("input", { type: "checkbox", id: "changed", onchange: () => draw() });
  let items = [];
  const draw = () => {
    const text = field.value.trim().toLowerCase();
    const wanted = items.filter(({ key, origin }) => key.toLowerCase().includes(text) && (!changed.checked || origin));
    const sections = Map.groupBy(wanted, ({ key }) => key.split(".")[0]);
    fill(place, h("div", { class: "stack" }, [...sections].map(([name, settings]) => section(name, settings))),
      wanted.length === 0 && h("p", { class: "note" }, changed.checked ? "Nothing like this was changed: all is as it is by default." : "No setting is called like this."));
  };
  fill(main, head({ title: "Settings", text: "What is in force in this node, with the place where it was set. Secrets are hidden. To change one, edit the configuration; agents, models, tools and MCP servers are taken up at once, the rest at the next start." }),
    h("div", { class: "search" }, field, h("label", { class: "row" }, changed, "Only what was set")), place,
    h("p", { class: "note below" }, "All of them, explained: ", command("postroom serve --print-default-config")));
  const load = async () => {
    try {
      ({ items } = await get("/v1/settings", { signal }));
      draw();
    } catch (error) {
      if (!signal.aborted) fill(place, failure(error, load));
    }
  };
  await load();
}

function section(name, settings) {
  return h("section", { class: "sheet" }, h("h2", null, name), h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": name }, h("table", { class: "table even folds" },
    h("thead", { class: "unseen" }, h("tr", null, ["Setting", "Value", "Set by"].map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", null, settings.map(({ key, value, origin }) => h("tr", null,
      h("td", null, h("code", null, key.slice(name.length + 1) || key)),
      h("td", null, h("code", null, typeof value === "string" ? value || "“”" : JSON.stringify(value))),
      h("td", { class: "note" }, origin ?? "default")))))));
}
