// Points in a plane, drawn as SVG: a pair of features with ellipse and circle, and the embedding.

import { s } from "./dom.js";
import { number } from "./format.js";
import { t } from "./text.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, EDGE] = [480, 340, 52, 36, 22, 10];

function scaled(points) {
  const ends = [0, 1].map((axis) => {
    const values = points.map((point) => point[axis]).filter(Number.isFinite);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const least = Math.max(Math.abs(low), Math.abs(high)) * 1e-6; // of what does not change only rounding is left
    const room = high - low > least ? (high - low) * 0.05 : least || 0.05;
    return [low - room, high + room];
  });
  const [[x0, x1], [y0, y1]] = ends;
  return {
    ends,
    x: (x) => LEFT + ((x - x0) / (x1 - x0)) * (WIDTH - LEFT - EDGE),
    y: (y) => HEIGHT - BOTTOM - ((y - y0) / (y1 - y0)) * (HEIGHT - BOTTOM - TOP),
  };
}

/** About four round numbers between the ends, and how to write them so that they differ. */
function ticks([low, high]) {
  const step = 10 ** Math.floor(Math.log10((high - low) / 3));
  const wide = [1, 2, 5, 10].map((times) => times * step).find((one) => (high - low) / one <= 5);
  const found = [];
  for (let x = Math.ceil(low / wide) * wide; x <= high; x += wide) found.push(Math.abs(x) < wide / 1e6 ? 0 : x);
  const digits = Math.max(3, Math.ceil(Math.log10(Math.max(Math.abs(low), Math.abs(high)) / wide)) + 1);
  return found.map((x) => [x, number(x, digits)]);
}

function axes(scale, names) {
  const [xs, ys] = scale.ends.map(ticks);
  return [
    ...xs.map(([x, text]) => [s("line", { x1: scale.x(x), x2: scale.x(x), y1: TOP, y2: HEIGHT - BOTTOM, class: "grid" }), s("text", { x: scale.x(x), y: HEIGHT - BOTTOM + 14, "text-anchor": "middle" }, text)]),
    ...ys.map(([y, text]) => [s("line", { x1: LEFT, x2: WIDTH - EDGE, y1: scale.y(y), y2: scale.y(y), class: "grid" }), s("text", { x: LEFT - 6, y: scale.y(y) + 4, "text-anchor": "end" }, text)]),
    s("text", { x: WIDTH - EDGE, y: HEIGHT - 4, "text-anchor": "end", class: "axis-name" }, names[0]),
    s("text", { x: 4, y: 12, class: "axis-name halo" }, names[1]),
  ];
}

const dot = (scale, [x, y, level], last) =>
  s("circle", { cx: scale.x(x).toFixed(1), cy: scale.y(y).toFixed(1), r: last ? 5 : 2.6, class: `dot${level >= 1 ? " over" : ""}${last ? " last" : ""}` });

const ring = (scale, points, name) =>
  s("path", { class: name, d: `${points.map(([x, y], i) => `${i ? "L" : "M"}${scale.x(x).toFixed(1)} ${scale.y(y).toFixed(1)}`).join("")}Z` });

const drawing = (label, ...children) => s("svg", { class: "plane", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...children);

const usable = (points) => points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));

/** Two features: what Mahalanobis takes in (ellipse), and what a circle of standardised units would. */
export function pairPlot(answer, [x, y]) {
  const points = usable(answer.points);
  const scale = scaled([...points, ...(answer.ellipse ?? []), ...(answer.circle ?? [])]);
  const label = t("pair.label", { x: x.name, y: y.name, ellipse: answer.outside_ellipse ?? 0, circle: answer.outside_circle ?? 0, points: points.length });
  return drawing(label, axes(scale, [x, y].map((one) => (one.unit ? `${one.name} (${one.unit})` : one.name))),
    answer.circle?.length ? ring(scale, answer.circle, "circle") : null, answer.ellipse?.length ? ring(scale, answer.ellipse, "ellipse") : null,
    points.map((point, i) => dot(scale, point, i === points.length - 1)));
}

/** All features in two dimensions. */
export function embeddingPlot(answer) {
  const points = usable(answer.points);
  if (!points.length) return null;
  const scale = scaled(points);
  const label = t("embedding.label", { method: answer.method.toUpperCase(), points: points.length, over: points.filter((point) => point[2] >= 1).length });
  const names = points.map((point) => point[3]).filter(Boolean);
  return drawing(label, axes(scale, answer.axes), points.map((point, i) => dot(scale, point, i === points.length - 1)),
    [...new Set(names)].slice(0, 8).map((name) => {
      const mine = points.filter((point) => point[3] === name);
      const middle = [0, 1].map((axis) => mine.reduce((sum, point) => sum + point[axis], 0) / mine.length);
      return s("text", { x: scale.x(middle[0]), y: scale.y(middle[1]) - 8, "text-anchor": "middle", class: "class-name halo" }, name);
    }));
}
