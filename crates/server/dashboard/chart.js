// Charts: plain SVG, drawn anew when the numbers or the width change.

import { fill, svg } from "./h.js";

const MARGIN = { left: 44, right: 8, top: 10, bottom: 20 };

/**
 * A chart over time. `bars` are stacked, `lines` may have gaps (null). Each is `{ name, values }`, and
 * its name is its class. `format` writes the numbers of the axis, `label` says it all in words.
 */
export function chart({ bars = [], lines = [], ends, spanMs, format, label, height = 170 }) {
  const element = svg("svg", { class: "chart", role: "img", "aria-label": label, height });
  const draw = (width) => {
    const spans = (bars[0] ?? lines[0]).values.length;
    const stacked = Array.from({ length: spans }, (_, at) => bars.reduce((sum, bar) => sum + (bar.values[at] ?? 0), 0));
    const peak = Math.max(...stacked, ...lines.flatMap((line) => line.values.map((value) => value ?? 0)));
    const top = ceiling(peak);
    const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
    const x = (at) => MARGIN.left + (inner.width * at) / spans;
    const y = (value) => MARGIN.top + inner.height * (1 - value / top);
    const parts = [svg("title", null, label)];
    for (const share of [0, 0.5, 1]) {
      const line = y(top * share);
      parts.push(svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: line, y2: line }));
      parts.push(svg("text", { x: MARGIN.left - 6, y: line + 4, "text-anchor": "end" }, format(top * share)));
    }
    const minutes = Math.round((spans * spanMs) / 60000);
    for (const [share, anchor] of [[0, "start"], [1 / 3, "middle"], [2 / 3, "middle"], [1, "end"]]) {
      const ago = Math.round(minutes * (1 - share));
      const text = ago === 0 ? (ends ?? "now") : `−${ago} min`;
      parts.push(svg("text", { x: x(spans * share), y: height - 4, "text-anchor": anchor }, text));
    }
    const wide = Math.max(1, inner.width / spans - 1);
    for (let at = 0; at < spans; at += 1) {
      let below = 0;
      for (const bar of bars) {
        const value = bar.values[at] ?? 0;
        if (value > 0) {
          const low = y(below);
          const high = Math.min(y(below + value), low - 1.5);
          parts.push(svg("rect", { class: `bar ${bar.name}`, x: x(at), y: high, width: wide, height: low - high, rx: 1 }));
        }
        below += value;
      }
    }
    for (const line of lines) {
      for (const piece of pieces(line.values)) {
        const points = piece.map(([at, value]) => [x(at + 0.5), y(value)]);
        if (points.length === 1) parts.push(svg("circle", { class: `dot ${line.name}`, cx: points[0][0], cy: points[0][1], r: 2.5 }));
        else parts.push(svg("polyline", { class: `line ${line.name}`, points: points.map((point) => point.join(",")).join(" ") }));
      }
    }
    element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    fill(element, parts);
  };
  let drawn = 0;
  const look = () => {
    const width = Math.round(element.clientWidth);
    if (width > 0 && width !== drawn) draw((drawn = width));
  };
  new ResizeObserver(look).observe(element);
  draw(600);
  return element;
}

/** Runs of values without a gap, as pairs of place and value. */
function pieces(values) {
  const found = [];
  let piece = [];
  values.forEach((value, at) => {
    if (value === null || value === undefined) {
      if (piece.length > 0) found.push(piece);
      piece = [];
    } else {
      piece.push([at, value]);
    }
  });
  if (piece.length > 0) found.push(piece);
  return found;
}

/** A round number above the peak. */
function ceiling(peak) {
  if (peak <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(peak));
  return [1, 2, 4, 6, 8, 10].map((step) => step * power).find((round) => round >= peak);
}
