// All alerts, newest first, and those that are open above them.

import { get } from "../api.js";
import { h, icon, say } from "../dom.js";
import { ago, lasted, named, reason, times } from "../format.js";
import { live } from "../live.js";
import { alertLink, choice, empty, field, labelPill, pill, select, statusPill } from "../parts.js";
import { now, pipelineNames } from "../store.js";
import { t } from "../text.js";

const KINDS = ["distance", "stuck", "stale", "shift", "drift", "score_drift", "gap", "summary"];
const PAGE = 50;

export async function show(view, params, signal) {
  const wanted = { status: params.get("status") ?? "all", kind: "", pipeline: params.get("pipeline") ?? "", key: params.get("key") ?? undefined };
  const rows = new Map();
  let next = null;
  const body = h("tbody", {});
  const table = h("table", { class: "alerts" }, h("caption", { class: "unseen" }, t("alerts.caption")),
    h("thead", {}, h("tr", {}, ...["status", "message", "opened", "lasted", "level", "label"].map((name) => h("th", { scope: "col", class: `c-${name}` }, t(`alerts.${name}`))))), body);
  const none = h("div", { hidden: true }, empty(t("alerts.none")));
  const more = h("button", { type: "button", class: "plain wide-button", hidden: true, onclick: () => load(next) }, t("more"));
  const count = h("span", { class: "dim", role: "status" });
  const pipelines = (await pipelineNames()).map((name) => [name, name]);
  const again = () => { rows.clear(); return load(); };

  view.append(
    h("div", { class: "title" }, h("h1", { tabindex: "-1" }, t("nav.alerts")), count),
    h("div", { class: "filters" },
      choice(t("alerts.status"), ["all", "open", "closed"].map((one) => [one, t(`alerts.${one}`)]), wanted.status, (value) => { wanted.status = value; again(); }),
      field("kind", t("alerts.kind"), select("kind", [["", t("any")], ...KINDS.map((one) => [one, t(`kind.${one}`)])], "", (value) => { wanted.kind = value; again(); })),
      pipelines.length > 1 ? field("pipeline", t("alerts.pipeline"), select("pipeline", [["", t("any")], ...pipelines], wanted.pipeline, (value) => { wanted.pipeline = value; again(); })) : null),
    h("section", { class: "card flush", "aria-label": t("nav.alerts") }, table, none, more));

  async function load(before) {
    const values = { status: wanted.status, kind: wanted.kind || undefined, pipeline: wanted.pipeline || undefined, key: wanted.key, limit: PAGE, before };
    const answer = await get("alerts", values, signal);
    next = answer.next;
    for (const alert of answer.alerts) rows.set(alert.id, alert);
    drawn();
  }

  function drawn() {
    const sorted = [...rows.values()].sort((a, b) => (a.status === "closed") - (b.status === "closed") || b.opened - a.opened);
    body.replaceChildren(...sorted.map(line));
    none.hidden = sorted.length > 0;
    table.hidden = sorted.length === 0;
    more.hidden = next == null;
    say(count, t("alerts.count", { n: sorted.length, shown: sorted.length }));
  }

  live.on("alert", ({ alert }) => {
    const open = alert.status !== "closed";
    if (wanted.status === "closed" && open) return;
    if ((wanted.kind && wanted.kind !== alert.kind) || (wanted.pipeline && wanted.pipeline !== alert.pipeline)) return;
    if (wanted.key !== undefined && wanted.key !== alert.key) return;
    if (wanted.status === "open" && !open) rows.delete(alert.id);
    else rows.set(alert.id, { label: "", class: "", ...rows.get(alert.id), ...alert });
    if (!body.contains(document.activeElement)) drawn(); // rows do not move from under the focus
  }, signal);

  await load();
}

function line(alert) {
  return h("tr", { class: alert.status === "closed" ? "closed" : alert.severity },
    h("td", { class: "c-status" }, statusPill(alert)),
    h("th", { scope: "row", class: "c-message" }, h("a", { href: alertLink(alert.id) }, h("strong", { class: "key" }, named(alert.pipeline, alert.key)), h("span", { class: "kind" }, t(`kind.${alert.kind}`)), h("span", { class: "message" }, reason(alert)))),
    h("td", { class: "c-opened" }, ago(alert.opened, now())), h("td", { class: "c-lasted" }, lasted(alert, now())),
    h("td", { class: "c-level num" }, times(alert.level)),
    h("td", { class: "c-label" }, labelPill(alert), alert.acked ? pill("dim", "person", t("alert.acked")) : null, alert.quiet ? h("span", { class: "tone dim", title: alert.quiet }, icon("quiet"), h("span", { class: "unseen" }, alert.quiet)) : null));
}
