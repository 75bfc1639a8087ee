// One stream: its score against the threshold, its features, and where its records lie.

import { get } from "../api.js";
import { featureChart, scoreChart } from "../charts.js";
import { every, frame, h, icon, say } from "../dom.js";
import { ago, named, whole } from "../format.js";
import { live } from "../live.js";
import { alertCard, choice, legend, meter, pill, shareBars } from "../parts.js";
import { now } from "../store.js";
import { t } from "../text.js";
import { embeddingPart } from "./embedding.js";
import { pairPart } from "./pair.js";
import { valuesTable } from "./values.js";

const AGAIN_MS = 2000; // what is expected comes with the whole window only
const FEW = 6;

export async function show(view, params, signal) {
  const [pipeline, key] = [params.get("pipeline") ?? "", params.get("key") ?? ""];
  const place = { pipeline, key };
  let records = 300;
  let window = await get("streams/window", { ...place, records }, signal);

  const level = meter();
  const facts = h("span", { class: "dim" });
  const state = h("span", {});
  const open = h("div", { class: "open-alerts" });
  const score = scoreChart("stream", signal);
  const shares = shareBars();
  const grid = h("div", { class: "features" });
  const table = valuesTable(() => window);
  const young = h("p", { class: "hint", hidden: true }, icon("waiting"), h("span", {}, t("stream.young")));

  let charts = [];
  let all = false;
  const toggle = h("button", { type: "button", class: "plain wide-button", onclick: () => { all = !all; built(); } });

  /** Charts of the features that matter most now, or of all. */
  function built() {
    const order = window.features.map((_, i) => i).sort((a, b) => Math.abs(window.shares[b] ?? 0) - Math.abs(window.shares[a] ?? 0));
    const wanted = all ? order : order.slice(0, FEW);
    charts = wanted.map((i) => ({ i, chart: featureChart(window.features[i], "stream", signal) }));
    grid.replaceChildren(...charts.map(({ chart }) => chart.element));
    toggle.hidden = window.features.length <= FEW;
    say(toggle, all ? t("stream.fewer") : t("stream.all", { x: window.features.length }));
    charts.forEach(({ i, chart }) => chart.set(window, i));
  }

  function drawn() {
    const newest = window.level.at(-1);
    level.set(newest);
    const calm = !(newest >= 1);
    const text = newest == null ? "waiting" : calm ? "ok" : "warning";
    if (state.dataset.is !== text) {
      state.dataset.is = text;
      state.replaceChildren(pill(text === "waiting" ? "dim" : text, text, t(`record.${text}`)));
    }
    young.hidden = newest != null || window.score.length === 0;
    say(facts, t("stream.facts", { seen: whole(window.seen), learned: whole(window.learned), time: ago(window.time.at(-1), now()) }));
    if (window.score.length === 0) return;
    score.set(window);
    shares.set(window.features, window.shares);
    charts.forEach(({ i, chart }) => chart.set(window, i));
    table.refresh();
  }

  view.append(
    h("nav", { class: "crumbs", "aria-label": t("nav.path") }, h("a", { href: "#/" }, icon("back"), t("nav.overview"))),
    h("div", { class: "title" }, h("h1", { tabindex: "-1", class: "key" }, named(pipeline, key)), state, level.element),
    h("p", { class: "under-title" }, key === "" ? null : h("span", { class: "dim" }, `${pipeline} · `), facts),
    young, open,
    h("div", { class: "columns stretched" }, h("section", { class: "card", "aria-labelledby": "score-title" },
      h("div", { class: "row head" }, h("h2", { id: "score-title" }, t("stream.score")),
        choice(t("stream.length"), [[100, "100"], [300, "300"], [1000, whole(1000)]], records, (value) => { records = value; reload(); })),
      score.element, legend(["line", t("legend.score")], ["threshold", t("legend.threshold")], ["over", t("legend.over")])),
      h("section", { class: "card", "aria-labelledby": "shares-title" }, h("h2", { id: "shares-title" }, t("stream.shares")), h("p", { class: "hint" }, t("stream.shares.hint")), shares.element)),
    h("section", { class: "card", "aria-labelledby": "features-title" }, h("h2", { id: "features-title" }, t("stream.features")),
      legend(["line", t("legend.value")], ["expected", t("legend.expected")], ["band", t("legend.band")]), grid, toggle),
    h("div", { class: "columns even stretched" }, pairPart(place, window, signal), embeddingPart(place, signal)), table.element);

  const reload = async () => {
    try {
      window = await get("streams/window", { ...place, records }, signal);
      frame("stream", drawn);
    } catch {
      // the banner says it when the line is lost; the next one may come
    }
  };
  view.addEventListener("shown", () => { built(); drawn(); }, { once: true });
  every(AGAIN_MS, reload, signal);

  live.on("records", (more) => {
    if (more.pipeline !== undefined && (more.pipeline !== pipeline || more.key !== key)) return;
    window = grown(window, more, records);
    frame("stream", drawn);
  }, signal);

  const alerts = await get("alerts", { ...place, status: "open", limit: 3 }, signal).catch(() => ({ alerts: [] }));
  open.replaceChildren(...alerts.alerts.map((one) => alertCard(one, now())));
  live.on("alert", ({ alert }) => {
    if (alert.pipeline !== pipeline || alert.key !== key) return;
    open.replaceChildren(...(alert.status === "closed" ? [] : [alertCard(alert, now())]));
  }, signal);
}

/** The window with newer records behind it, and as many fewer before. */
function grown(window, more, most) {
  const none = more.time.map(() => null);
  const on = (a, b) => [...a, ...b].slice(-most);
  return {
    ...window,
    time: on(window.time, more.time), score: on(window.score, more.score), threshold: on(window.threshold, more.threshold), level: on(window.level, more.level),
    values: window.values.map((column, i) => on(column, more.values[i] ?? none)),
    expected: window.expected.map((column) => on(column, none)), sd: window.sd.map((column) => on(column, none)),
    shares: more.shares?.length ? more.shares : window.shares, seen: window.seen + more.time.length,
  };
}

