// Small drawings, stroked in the colour of the text.

import { svg } from "./h.js";

const PATHS = {
  overview: "M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM11 11h6v6h-6z",
  threads: "M3 5h14v10H3zM3.5 5.5 10 11l6.5-5.5",
  runs: "M10 3a7 7 0 1 0 7 7M10 6v4l3 2M13 3h4v4",
  approvals: "M4 17h12M6 14h8l-1.5-4.2a3 3 0 1 0-5 0zM10 3.2v1",
  "dead-letters": "M3 5h14v10H3zM7.5 7.5l5 5m0-5-5 5",
  schedules: "M4 5h12v11H4zM4 8.5h12M7 3.2v3.2M13 3.2v3.2M10 10.5v2l1.6 1",
  agents: "M10 10a3.2 3.2 0 1 0 0-6.4A3.2 3.2 0 0 0 10 10zM3.8 17a6.2 6.2 0 0 1 12.4 0",
  keys: "M7.5 12.5a3.5 3.5 0 1 1 3.3-4.6L17 8v3h-2.5v2H12v-2h-1.4a3.5 3.5 0 0 1-3.1 1.5zM7 9h.01",
  nodes: "M3 4h14v5H3zM3 11h14v5H3zM6 6.5h.01M6 13.5h.01M9 6.5h5M9 13.5h5",
  settings: "M3 6h8m4 0h2M3 14h2m4 0h8M13 4v4M7 12v4",
};

export function icon(name) {
  const path = svg("path", { d: PATHS[name] });
  return svg("svg", {
    viewBox: "0 0 20 20", fill: "none", stroke: "currentColor", "stroke-width": "1.5",
    "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true",
  }, path);
}

/** The house's sign. */
export function sign() {
  return svg("svg", { viewBox: "0 0 32 32", "aria-hidden": "true" },
    svg("rect", { width: 32, height: 32, rx: 6, fill: "#9c2f21" }),
    svg("rect", { x: 5, y: 9, width: 22, height: 15, rx: 2, fill: "#fffdf8" }),
    svg("path", { d: "M5.8 10.2 16 18.4l10.2-8.2", fill: "none", stroke: "#9c2f21", "stroke-width": 2, "stroke-linejoin": "round" }),
    svg("path", { d: "M7 28h3m3 0h3m3 0h3", stroke: "#fffdf8", "stroke-width": 1.6, "stroke-linecap": "round" }));
}

/** An empty pigeonhole. */
export function emptyShelf() {
  return svg("svg", { viewBox: "0 0 120 64", fill: "none", stroke: "currentColor", "stroke-width": "2", "aria-hidden": "true" },
    svg("rect", { x: 2, y: 2, width: 116, height: 60, rx: 4 }),
    svg("path", { d: "M40 2v60M80 2v60M2 32h116" }),
    svg("path", { d: "M48 54h24v-12H48zM48 42l12 7 12-7", "stroke-linejoin": "round", "stroke-dasharray": "3 3" }));
}
