// The first view: is all well, and if not, what is it.

import { get } from "../api.js";
import { frame, h, icon, say } from "../dom.js";
import { clock, duration, number, whole } from "../format.js";
import { live } from "../live.js";
import { alertCard, pill, spark } from "../parts.js";
import { now, onOverview, store } from "../store.js";
import { t } from "../text.js";
import { ranking } from "./ranking.js";

const CARDS = 6;

export async function show(view, _params, signal) {
  const verdict = h("section", { class: "verdict", "aria-labelledby": "verdict-title" });
  const open = h("section", { class: "open-alerts", "aria-label": t("overview.open") });
  const pipelines = h("section", { class: "pipelines", "aria-labelledby": "pipelines-title" }, h("h2", { id: "pipelines-title" }, t("overview.pipelines")));
  const table = ranking(signal);
  view.append(verdict, open, h("div", { class: "columns" }, table.element, pipelines));

  const cards = new Map();
  const title = h("h1", { id: "verdict-title", tabindex: "-1" });
  const mark = h("span", { class: "verdict-icon" });
  const notes = h("ul", { class: "notes" });
  verdict.append(mark, h("div", {}, title, notes));

  onOverview((state) => frame("overview", () => {
    shownVerdict(state, title, mark, notes, verdict);
    for (const pipeline of state.pipelines) {
      if (!cards.has(pipeline.name)) {
        cards.set(pipeline.name, card());
        pipelines.append(cards.get(pipeline.name).element);
      }
      cards.get(pipeline.name).set(pipeline);
    }
    for (const [name, gone] of cards) {
      if (!state.pipelines.some((one) => one.name === name)) {
        gone.element.remove();
        cards.delete(name);
      }
    }
  }), signal);

  const alerts = new Map();
  const shownAlerts = () => frame("open", () => {
    const rows = [...alerts.values()].sort((a, b) => b.level - a.level);
    open.replaceChildren(...rows.slice(0, CARDS).map((one) => alertCard(one, now())),
      ...(rows.length > CARDS ? [h("a", { class: "more", href: "#/alerts" }, t("overview.more", { x: rows.length - CARDS }))] : []));
  });
  live.on("alert", ({ alert }) => {
    if (alert.status === "closed") alerts.delete(alert.id);
    else alerts.set(alert.id, { ...alerts.get(alert.id), ...alert });
    shownAlerts();
  }, signal);
  const [opened] = await Promise.all([get("alerts", { status: "open", limit: 50 }, signal), table.load()]);
  for (const alert of opened.alerts) alerts.set(alert.id, alert);
  shownAlerts();
}

/** In a line what matters most, and below it what else is not as it should be. */
function shownVerdict(state, title, mark, notes, verdict) {
  const open = state.pipelines.reduce((sum, one) => sum + one.open_alerts, 0);
  const keys = state.pipelines.reduce((sum, one) => sum + one.keys, 0);
  const found = [];
  for (const pipeline of state.pipelines) {
    if (!pipeline.ready) found.push(["warning", t("note.starting", { name: pipeline.name })]);
    for (const source of pipeline.sources) {
      if (source.connected === false) found.push(["warning", t("note.source", { name: source.name, pipeline: pipeline.name })]);
    }
    for (const output of pipeline.outputs) {
      if (output.waiting > 0) found.push(["waiting", t("note.output", { n: output.waiting, name: output.name })]);
      if (output.dropped > 0) found.push(["warning", t("note.dropped", { n: output.dropped, name: output.name })]);
    }
    if (!pipeline.learning) found.push(["pause", t("note.paused", { name: pipeline.name })]);
  }
  const tone = open ? "critical" : found.some(([name]) => name === "warning") ? "warning" : "ok";
  if (verdict.dataset.tone !== tone) {
    verdict.dataset.tone = tone;
    mark.replaceChildren(icon(tone));
  }
  say(title, open ? t("verdict.open", { n: open }) : tone === "warning" ? t("verdict.warning") : t("verdict.calm"));
  const texts = [["ok", t("verdict.watched", { n: keys, streams: whole(keys) })], ...found];
  const said = texts.map(([, text]) => text).join("\n");
  if (notes.dataset.said === said) return;
  notes.dataset.said = said;
  notes.replaceChildren(...texts.map(([name, text], i) => h("li", { class: i ? "" : "dim" }, i ? icon(name) : null, text)));
}

/** How far the records are behind; of a stream with old times, which is replayed, where it is. */
const behind = (lag) => (lag >= 86400 ? [t("pipeline.newest"), clock(now() - lag)] : [t("pipeline.lag"), duration(lag)]);

/** A pipeline: what comes in, how fast, and what becomes of it. */
function card() {
  const name = h("h3", {});
  const state = h("span", {});
  const rate = h("strong", {});
  const line = spark(160, 34, false);
  const facts = h("dl", { class: "facts" });
  const ends = h("ul", { class: "ends" });
  const element = h("article", { class: "card pipeline" }, h("div", { class: "row" }, name, state),
    h("div", { class: "rate" }, h("span", {}, rate, h("span", { class: "dim" }, ` ${t("pipeline.rate")}`)), line.element), facts, ends);
  let said = "";
  return {
    element,
    set(pipeline) {
      say(name, pipeline.name);
      say(rate, number(pipeline.rate));
      const rates = store.rates.get(pipeline.name) ?? [];
      if (rates.length > 1) line.set(rates, 120);
      const rows = [
        [t("pipeline.records"), whole(pipeline.records)], [t("pipeline.keys"), whole(pipeline.keys)],
        behind(pipeline.lag_s), [t("pipeline.anomalies"), whole(pipeline.anomalies)],
        [t("pipeline.refused"), whole(pipeline.refused)], [t("pipeline.alerts"), whole(pipeline.alerts)],
      ];
      if (facts.children.length === 0) facts.append(...rows.map(([term]) => h("div", {}, h("dt", {}, term), h("dd", {}))));
      rows.forEach((words, i) => words.forEach((text, j) => say(facts.children[i].children[j], text)));
      const is = JSON.stringify([pipeline.sources, pipeline.outputs, pipeline.learning, pipeline.ready]);
      if (is === said) return;
      said = is;
      state.replaceChildren(!pipeline.ready ? pill("warning", "waiting", t("pipeline.starting"))
        : pipeline.learning ? pill("ok", "ok", t("learning.on")) : pill("warning", "pause", t("learning.paused")));
      ends.replaceChildren(
        ...pipeline.sources.map((one) => end(one.connected === false ? "unplugged" : "plug", one.connected === false ? "warning" : "ok", one, t(one.connected === false ? "source.lost" : "source.connected"))),
        ...pipeline.outputs.filter((one) => !one.name.startsWith("(")).map((one) => end( // "(history)" is our own
          "bell", one.waiting || one.dropped ? "warning" : "dim", one, t("output.delivered", { x: whole(one.delivered) }))));
    },
  };
}

const end = (name, tone, one, text) =>
  h("li", {}, h("span", { class: `tone ${tone}` }, icon(name)), h("span", { class: "end-name" }, one.name), h("span", { class: "dim" }, `${one.type} · ${text}`));

