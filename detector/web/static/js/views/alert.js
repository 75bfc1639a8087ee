// One alert: what is wrong, in a sentence; what it looked like; and what a person says of it.

import { get, send } from "../api.js";
import { featureChart, scoreChart } from "../charts.js";
import { h, icon } from "../dom.js";
import { clock, lasted, measured, named, number, reason } from "../format.js";
import { live } from "../live.js";
import { doing, field, labelPill, legend, pill, shareBars, statusPill, streamLink, toast } from "../parts.js";
import { now } from "../store.js";
import { language, maybe, t } from "../text.js";

const CHARTS = 4;

export async function show(view, params, signal) {
  const id = params.get("id") ?? "";
  const [answer, said] = await Promise.all([get(`alerts/${encodeURIComponent(id)}`, {}, signal), get("labels", {}, signal).catch(() => ({}))]);
  let { alert } = answer;
  const head = h("div", {});
  const label = h("section", { class: "card decide", "aria-labelledby": "decide-title" });
  const again = async () => {
    const fresh = await get(`alerts/${encodeURIComponent(id)}`, {}, signal);
    alert = fresh.alert;
    headed(head, alert, again);
    decided(label, alert, classes, again);
  };
  const classes = [...new Set([...(answer.nearest ?? []).map((one) => one.class), ...(said.labels ?? []).map((one) => one.class)])].filter(Boolean);

  view.append(h("nav", { class: "crumbs", "aria-label": t("nav.path") }, h("a", { href: "#/alerts" }, icon("back"), t("nav.alerts"))), head,
    h("div", { class: "columns stretched" },
      reasons(alert), label, around(answer, alert, view, signal),
      h("div", { class: "stack" }, near(answer.nearest ?? [], alert), told(answer.history ?? []))));
  headed(head, alert, again);
  decided(label, alert, classes, again);
  live.on("alert", ({ alert: one }) => {
    if (one.id !== alert.id) return;
    alert = { ...alert, ...one };
    headed(head, alert, again);
  }, signal);
}

/** The reason, in the language of the page where it is one of a record's distance. */
export function sentence(alert) {
  const first = alert.reasons?.[0];
  if (language === "en" || alert.kind !== "distance" || first?.expected == null || first.value == null) return reason(alert);
  return t("sentence.distance", {
    name: first.name, value: measured(first.value, first.unit), expected: measured(first.expected, first.unit), sd: number(first.sd), share: Math.round(first.share * 100),
  });
}

function headed(head, alert, again) {
  const open = alert.status !== "closed";
  const how = lasted(alert, now());
  const ack = h("button", { type: "button", class: "plain", id: "ack", onclick: () => doing(ack, async () => {
    await send("POST", `alerts/${encodeURIComponent(alert.id)}/${alert.acked ? "unack" : "ack"}`, alert.acked ? {} : { by: "page" });
    toast(alert.acked ? t("ack.taken_back") : t("ack.done"));
    await again();
    document.getElementById("ack")?.focus();
  }) }, icon("person"), alert.acked ? t("ack.undo") : t("ack.do"));
  head.replaceChildren(
    h("div", { class: `alert-title ${open ? alert.severity : "closed"}` },
      h("div", { class: "row wrap" }, statusPill(alert), h("a", { class: "key", href: streamLink(alert.pipeline, alert.key) }, named(alert.pipeline, alert.key)),
        h("span", { class: "dim" }, t(`kind.${alert.kind}`)), labelPill(alert), alert.known ? h("span", { class: "pill info" }, t("alert.like", { name: alert.known })) : null,
        alert.acked ? pill("dim", "person", t("ack.by", { by: alert.acked.by || "–", time: clock(alert.acked.time) })) : null),
      h("h1", { tabindex: "-1", class: "sentence" }, sentence(alert)),
      h("p", { class: "dim row wrap dots" }, h("span", {}, t(open ? (how ? "alert.open_since" : "alert.open_from") : "alert.was", { time: clock(alert.opened), lasted: how })),
        h("span", {}, t("alert.level", { level: number(alert.level), score: number(alert.score), threshold: number(alert.threshold) })),
        alert.quiet ? h("span", {}, t("alert.quiet", { why: alert.quiet })) : null),
      open || alert.acked ? h("div", { class: "row" }, ack, h("span", { class: "hint" }, t("ack.hint"))) : null));
}

/** What operators can say of it, each with what follows from it. */
function decided(element, alert, classes, again) {
  const name = h("input", { id: "class-name", list: "class-names", maxlength: "64", autocomplete: "off", value: alert.class || alert.known || "", placeholder: t("decide.class.example"), "aria-describedby": "class-name-hint" });
  const button = (value) => {
    const mine = h("button", { type: "button", class: `decision ${value}`, id: `label-${value}`, "aria-pressed": String(alert.label === value), onclick: () => doing(mine, async () => {
      const named_ = value === "real" && name.value.trim() ? { class: name.value.trim() } : {};
      await send("POST", "labels", { alert: alert.id, label: value, by: "page", ...named_ });
      toast(t(`decide.${value}.done`));
      await again();
      document.getElementById(`label-${value}`)?.focus();
    }) }, h("strong", {}, t(`label.${value}`)), h("span", {}, t(`decide.${value}`)));
    return mine;
  };
  element.replaceChildren(h("h2", { id: "decide-title" }, t("decide.title")),
    field("class-name", t("decide.class"), name, t("decide.class.hint")), h("datalist", { id: "class-names" }, classes.map((one) => h("option", { value: one }))),
    h("div", { class: "decisions" }, button("real"), button("false"), button("normal")));
}

/** Feature by feature: measured, expected, and its part. */
function reasons(alert) {
  if (!alert.reasons?.length) return null;
  const bars = shareBars();
  bars.set(alert.reasons.map((one) => ({ name: one.name })), alert.reasons.map((one) => one.share));
  const row = (one) => h("tr", {}, h("th", { scope: "row" }, one.name), h("td", { class: "num" }, measured(one.value, one.unit)),
    h("td", { class: "num" }, one.expected == null ? "–" : `${number(one.expected, 4)} ± ${number(one.sd, 2)}${one.unit ? ` ${one.unit}` : ""}`),
    h("td", { class: "c-direction" }, t(`direction.${one.direction}`)));
  return h("section", { class: "card", "aria-labelledby": "reasons-title" }, h("h2", { id: "reasons-title" }, t("reasons.title")), bars.element,
    h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("reasons.title") }, h("table", { class: "reasons" }, h("thead", {}, h("tr", {}, ...["feature", "value", "expected", "direction"].map((one) => h("th", { scope: "col" }, t(`reasons.${one}`))))), h("tbody", {}, alert.reasons.slice(0, 12).map(row)))));
}

/** The records around it. */
function around(answer, alert, view, signal) {
  const { window } = answer;
  if (!window?.score?.length) return null;
  const score = scoreChart("alert", signal);
  const names = (alert.reasons ?? []).map((one) => one.name);
  const order = window.features.map((_, i) => i).sort((a, b) => (names.indexOf(window.features[a].name) + 1 || 99) - (names.indexOf(window.features[b].name) + 1 || 99));
  const charts = order.slice(0, CHARTS).map((i) => ({ i, chart: featureChart(window.features[i], "alert", signal) }));
  view.addEventListener("shown", () => {
    score.set(window);
    charts.forEach(({ i, chart }) => chart.set({ ...window, shares: null }, i));
  }, { once: true });
  return h("section", { class: "card", "aria-labelledby": "around-title" },
    h("div", { class: "row head" }, h("h2", { id: "around-title" }, t("around.title")), h("a", { href: streamLink(alert.pipeline, alert.key) }, t("around.stream"), icon("next"))),
    score.element, legend(["line", t("legend.score")], ["threshold", t("legend.threshold")], ["expected", t("legend.expected")], ["band", t("legend.band")]),
    h("div", { class: "features" }, charts.map(({ chart }) => chart.element)));
}

/** What operators called a fault before, and how far this is from it. */
function near(nearest, alert) {
  const row = (one) => {
    const like = one.threshold != null && one.distance <= one.threshold;
    return h("li", { class: "row wrap" }, h("strong", {}, one.class), h("span", { class: "dim" }, t("near.distance", { distance: number(one.distance), threshold: number(one.threshold) })), like ? pill("info", "ok", t("near.like")) : null);
  };
  return h("section", { class: "card", "aria-labelledby": "near-title" }, h("h2", { id: "near-title" }, t("near.title")),
    nearest.length ? h("ul", { class: "plain-list" }, nearest.map(row)) : h("p", { class: "hint" }, t("near.none")), h("p", { class: "hint mono" }, t("alert.id", { id: alert.id })));
}

/** What was told of it, and when. */
const told = (history) => history.length === 0 ? null :
  h("section", { class: "card", "aria-labelledby": "told-title" }, h("h2", { id: "told-title" }, t("told.title")),
    h("ol", { class: "plain-list" }, history.slice(-20).map((one) => h("li", {}, h("span", { class: "dim" }, clock(one.time)), " ", maybe(`status.${one.status}`) || one.status, one.message ? h("span", { class: "dim" }, ` · ${one.message}`) : null))));
