// Small parts that several views are made of.

import { byId, h, icon, s, say } from "./dom.js";
import { clock, lasted, named, reason, times } from "./format.js";
import { Refused } from "./api.js";
import { t } from "./text.js";
import { NoToken } from "./token.js";

export const streamLink = (pipeline, key) => `#/stream?${new URLSearchParams({ pipeline, key })}`;
export const alertLink = (id) => `#/alert?${new URLSearchParams({ id })}`;

/** A word with an icon and a colour; `tone` is ok, warning, critical, info or dim. */
export const pill = (tone, name, text) => h("span", { class: `pill ${tone}` }, icon(name), h("span", {}, text));

export const severityPill = (severity) => pill(severity || "ok", severity || "ok", t(`severity.${severity || "ok"}`));

/** Whether an episode is still open. */
export const statusPill = (alert) =>
  alert.status === "closed" ? pill("dim", "ok", t("status.closed")) : pill(alert.severity, alert.severity, t(`severity.${alert.severity}`));

/** What was said of an alert, or nothing. */
export function labelPill(alert) {
  if (!alert.label) return null;
  const tone = { real: "critical", false: "dim", normal: "ok" }[alert.label] ?? "dim";
  return h("span", { class: `pill ${tone}` }, h("span", {}, alert.class || t(`label.${alert.label}`)));
}

/** Score over threshold on a logarithmic scale from 0.1 to 10; the mark in the middle is the threshold. */
export function meter() {
  const fill = h("span", { class: "meter-fill" });
  const text = h("span", { class: "meter-text" });
  const element = h("span", { class: "meter" }, h("span", { class: "meter-track" }, fill, h("span", { class: "meter-mark" })), text);
  return {
    element,
    set(level) {
      const part = level > 0 ? Math.min(1, Math.max(0.02, (Math.log10(level) + 1) / 2)) : 0;
      fill.style.transform = `scaleX(${part.toFixed(3)})`;
      element.classList.toggle("over", level >= 1);
      say(text, times(level));
    },
  };
}

/** A line of the last numbers without axes; it repeats what is beside it, so it is hidden from screen readers. */
export function spark(width = 84, height = 22, log = true) {
  const line = s("polyline", { points: "", class: "spark-line" });
  const mark = log ? s("line", { x1: 0, x2: width, y1: height / 2, y2: height / 2, class: "spark-mark" }) : null;
  const element = s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, mark, line);
  const place = (x, most) => (log ? (x > 0 ? (Math.log10(x) + 1) / 2 : 0) : x / (most || 1));
  return {
    element,
    set(values, kept) {
      const most = Math.max(...values) * 1.15;
      const points = values.map((x, i) => {
        const y = height - 1.5 - (height - 3) * Math.min(1, Math.max(0, place(x, most)));
        return `${(((i + kept - values.length) / (kept - 1)) * width).toFixed(1)},${y.toFixed(1)}`;
      });
      line.setAttribute("points", points.join(" "));
    },
  };
}

/** Features with their parts of the distance as bars; a negative part goes to the left. */
export function shareBars() {
  const element = h("div", { class: "shares", role: "list" });
  return {
    element,
    set(features, shares) {
      const rows = features.map((one, i) => ({ ...one, share: shares[i] ?? 0 })).sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
      rows.splice(9);
      while (element.children.length > rows.length) element.lastChild.remove();
      while (element.children.length < rows.length) element.append(bar());
      rows.forEach((row, i) => {
        const [name, track, text] = element.children[i].children;
        say(name, row.name);
        track.firstChild.style.transform = `scaleX(${Math.min(1, Math.abs(row.share)).toFixed(3)})`;
        track.classList.toggle("negative", row.share < 0);
        say(text, `${Math.round(row.share * 100)} %`);
      });
    },
  };
}

const bar = () =>
  h("div", { class: "share", role: "listitem" }, h("span", { class: "share-name" }), h("span", { class: "share-track" }, h("span", { class: "share-fill" })), h("span", { class: "share-text" }));

/** One line about an alert, as a link to its view. */
export function alertCard(alert, now) {
  const how = lasted(alert, now);
  return h("a", { class: `card alert-card ${alert.severity}`, href: alertLink(alert.id) },
    h("span", { class: "alert-head" }, statusPill(alert), h("strong", { class: "key" }, named(alert.pipeline, alert.key)),
      h("span", { class: "dim" }, how ? t("alert.since", { x: how }) : t("alert.from", { time: clock(alert.opened) })),
      alert.known ? h("span", { class: "pill info" }, t("alert.like", { name: alert.known })) : null,
      alert.acked ? pill("dim", "person", t("alert.acked")) : null),
    h("span", { class: "alert-message" }, reason(alert)));
}

/** What the lines and dots of a chart are: `[class of the swatch, text]` each. */
export const legend = (...items) =>
  h("p", { class: "legend" }, items.map(([name, text]) => h("span", { class: "legend-item" }, h("span", { class: `swatch ${name}` }), text)));

/** A pressed/unpressed choice among several. */
export function choice(label, options, chosen, pick) {
  const buttons = options.map(([value, text]) =>
    h("button", { type: "button", class: "segment", "aria-pressed": String(value === chosen), onclick: () => {
      buttons.forEach((one, i) => one.setAttribute("aria-pressed", String(options[i][0] === value)));
      pick(value);
    } }, text));
  return h("div", { class: "segments", role: "group", "aria-label": label }, buttons);
}

/** A field with its label above it. */
export const field = (id, label, input, hint) =>
  h("div", { class: "field" }, h("label", { for: id }, label), input, hint ? h("span", { class: "hint", id: `${id}-hint` }, hint) : null);

/** A list to choose one of. */
export function select(id, options, chosen, pick, label) {
  const element = h("select", { id, "aria-label": label, onchange: () => pick(element.value) },
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
  return element;
}

/** Say what was done, for some seconds; an error stays until it is closed. */
export function toast(text, tone = "ok") {
  const close = () => element.remove();
  const element = h("div", { class: `toast ${tone}` }, icon(tone === "ok" ? "ok" : "warning"), h("span", {}, text),
    h("button", { type: "button", class: "icon-button", "aria-label": t("close"), onclick: close }, icon("close")));
  const all = byId("toasts");
  if (all.children.length > 3) all.firstChild.remove();
  all.append(element);
  if (tone === "ok") setTimeout(close, 5000);
}

/** Do what a button asks for: it is disabled meanwhile, and what goes wrong is said. Resolves to success. */
export async function doing(button, work) {
  if (button) button.disabled = true;
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof NoToken) && error.name !== "AbortError") toast(error instanceof Refused ? error.message : String(error), "warning");
    return false;
  } finally {
    if (button) button.disabled = false;
  }
}

/** In place of a view, or a part of it, that cannot be shown. */
export const failure = (error) => h("div", { class: "empty", role: "alert" }, icon("warning"), h("p", {}, error.message));

export const empty = (text, name = "ok") => h("div", { class: "empty" }, icon(name), h("p", {}, text));
