// Lines over time: score against threshold, and features with the band that the others lead to expect.

import { h, say } from "./dom.js";
import { clock, number } from "./format.js";
import { t } from "./text.js";
import { colour, themes } from "./theme.js";

const { uPlot } = window;
const FONT = "11px system-ui, sans-serif";

const axis = (more) => ({
  stroke: colour("dim"), font: FONT, size: 26, gap: 4, grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false }, ...more,
});

/** Times that can be an axis: there, and never going back. Else records are counted. */
const ordered = (times) => times.every((x, i) => x != null && (i === 0 || x >= times[i - 1]));

/** One chart in its box: drawn again when size or theme change, read with the arrow keys. */
class Chart {
  #plot = null;
  #data = null;
  #byTime = true;

  constructor({ height, label, series, bands = [], log = false, sync, read, signal }) {
    Object.assign(this, { height, series, bands, log, sync, read });
    this.readout = h("p", { class: "readout" });
    this.box = h("div", { class: "chart", tabindex: "0", role: "img", "aria-label": label, onkeydown: (event) => this.#keyed(event) });
    this.element = h("div", { class: "chart-part" }, this.readout, this.box);
    const resized = new ResizeObserver(() => {
      if (!this.#plot) this.draw();
      else this.#plot.setSize({ width: this.box.clientWidth, height: this.height });
    });
    resized.observe(this.box);
    const again = () => { this.#plot?.destroy(); this.#plot = null; this.draw(); };
    themes.addEventListener("change", again, { signal });
    signal.addEventListener("abort", () => { resized.disconnect(); this.#plot?.destroy(); });
  }

  /** `times` of n records, and one array of n for each series. */
  set(times, columns, label) {
    const byTime = ordered(times);
    const changed = byTime !== this.#byTime;
    this.#byTime = byTime;
    this.#data = [byTime ? times : times.map((_, i) => i + 1), ...columns];
    if (label) this.box.setAttribute("aria-label", label);
    if (changed && this.#plot) { this.#plot.destroy(); this.#plot = null; }
    if (this.#plot) this.#plot.setData(this.#data);
    else this.draw();
    this.#shown(null);
  }

  draw() {
    if (!this.#data || !this.box.clientWidth) return;
    const values = (_, ticks) => ticks.map((x) => (x == null ? "" : number(x)));
    this.#plot = new uPlot({
      width: this.box.clientWidth, height: this.height, legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, sync: { key: this.sync } },
      scales: { x: { time: this.#byTime }, y: this.log ? { distr: 3, range: (_, low, high) => [low / 1.4, high * 1.4] } : {} },
      axes: [axis({ values: this.#byTime ? (_, ticks) => ticks.map((x) => shortTime(x, ticks)) : values, space: 90 }), axis({ size: 54, values, space: 30, ...(this.log ? { splits: (_, __, low, high) => decades(low, high), filter: (_, ticks) => ticks } : {}) })],
      series: [{}, ...this.series()], bands: this.bands.map(([a, b]) => ({ series: [a, b], fill: colour("band") })),
      hooks: { setCursor: [(plot) => this.#shown(plot.cursor.idx)] }, padding: [8, 10, 0, 0],
    }, this.#data, this.box);
  }

  #shown(index) {
    const times = this.#data[0];
    const i = index ?? times.length - 1;
    if (i < 0) return;
    const when = this.#byTime ? clock(times[i]) : t("chart.record", { x: times[i] });
    say(this.readout, this.read(when, this.#data.slice(1).map((column) => column[i])));
  }

  #keyed(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || !this.#plot) return;
    event.preventDefault();
    const last = this.#data[0].length - 1;
    const i = Math.min(last, Math.max(0, (this.#plot.cursor.idx ?? last) + step));
    this.readout.setAttribute("aria-live", "polite");
    this.#plot.setCursor({ left: this.#plot.valToPos(this.#data[0][i], "x"), top: 0 });
  }
}

/** On a logarithmic axis the powers of ten, and 2 and 5 between where there are few. */
function decades(low, high) {
  const leads = Math.log10(high / low) < 2.5 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    found.push(...leads.map((lead) => lead * 10 ** power));
  }
  return found.filter((x) => x >= low && x <= high);
}

function shortTime(x, ticks) {
  const date = new Date(x * 1000);
  const wide = ticks.length > 1 && ticks.at(-1) - ticks[0] > 86400;
  const options = wide ? { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }
    : { hour: "2-digit", minute: "2-digit", ...(ticks.at(-1) - ticks[0] < 300 ? { second: "2-digit" } : {}) };
  return date.toLocaleString(document.documentElement.lang, { ...options, hour12: false });
}

const positive = (values) => values.map((x) => (x > 0 ? x : null));

/** Score against threshold on a logarithmic axis; records over it are dots. */
export function scoreChart(sync, signal) {
  const chart = new Chart({
    height: 230, log: true, sync, signal, label: t("chart.score"),
    series: () => [
      { stroke: colour("line"), width: 1.6, points: { show: false } },
      { stroke: colour("critical"), width: 1.4, dash: [6, 4], points: { show: false } },
      { stroke: colour("critical"), width: 0, paths: () => null, points: { show: true, size: 5, fill: colour("critical"), width: 0 } },
    ],
    read: (when, [score, threshold]) => t("chart.score.read", { when, score: number(score), threshold: number(threshold), level: number(score / threshold) }),
  });
  return {
    element: chart.element,
    set(window) {
      const over = window.score.map((x, i) => (window.level[i] >= 1 ? x : null));
      const most = Math.max(...window.level.filter((x) => x != null));
      const label = t("chart.score.label", { n: over.filter((x) => x != null).length, records: window.score.length, most: number(most) });
      chart.set(window.time, [positive(window.score), positive(window.threshold), positive(over)], label);
    },
  };
}

/** A feature and what was expected of it, with twice its standard deviation to both sides. */
export function featureChart(feature, sync, signal) {
  const unit = feature.unit ? ` ${feature.unit}` : "";
  const chart = new Chart({
    height: 130, sync, signal, label: feature.name, bands: [[3, 4]],
    series: () => [
      { stroke: colour("line"), width: 1.6, points: { show: false } },
      { stroke: colour("expected"), width: 1.2, dash: [4, 4], points: { show: false } },
      { stroke: null, width: 0, points: { show: false } }, { stroke: null, width: 0, points: { show: false } },
    ],
    read: (when, [value, expected]) =>
      t(expected == null ? "chart.value.read" : "chart.feature.read", { when, value: number(value, 4) + unit, expected: number(expected, 4) + unit }),
  });
  const title = h("h3", {}, feature.name, feature.unit ? h("span", { class: "dim" }, ` ${feature.unit}`) : null);
  const part = h("span", { class: "dim" });
  return {
    element: h("div", { class: "feature" }, h("div", { class: "row" }, title, part), chart.element),
    set(window, i) {
      const off = (sign) => window.expected[i].map((x, n) => (x == null || window.sd[i][n] == null ? null : x + sign * 2 * window.sd[i][n]));
      const share = window.shares?.[i];
      say(part, share == null ? "" : t("chart.share", { x: Math.round(share * 100) }));
      const label = t("chart.feature.label", { name: feature.name, value: number(window.values[i].at(-1), 4) + unit, expected: number(window.expected[i].at(-1), 4) + unit });
      chart.set(window.time, [window.values[i], window.expected[i], off(1), off(-1)], label);
    },
  };
}
