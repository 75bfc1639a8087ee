// Whether models learn, and which version of a learned metric is in force.

import { get, send } from "../api.js";
import { h, icon } from "../dom.js";
import { ago, number, percent } from "../format.js";
import { doing, empty, pill, toast } from "../parts.js";
import { onOverview, now, refresh } from "../store.js";
import { maybe, t } from "../text.js";
import { confirmed } from "../token.js";

export async function show(view, _params, signal) {
  const learning = h("div", { class: "stack" });
  const versions = h("div", { class: "stack" });
  view.append(h("div", { class: "title" }, h("h1", { tabindex: "-1" }, t("nav.models"))),
    h("section", { class: "card", "aria-labelledby": "learning-title" }, h("h2", { id: "learning-title" }, t("learning.title")), h("p", { class: "hint" }, t("learning.hint")), learning),
    h("section", { class: "card", "aria-labelledby": "versions-title" }, h("h2", { id: "versions-title" }, t("models.title")), h("p", { class: "hint" }, t("models.hint")), versions));

  let said = "";
  onOverview((state) => {
    const is = JSON.stringify(state.pipelines.map((one) => [one.name, one.learning]));
    if (is === said) return;
    said = is;
    learning.replaceChildren(...state.pipelines.map(learner));
  }, signal);

  async function load() {
    const answer = await get("models", {}, signal);
    versions.replaceChildren(...answer.pipelines.map((one) => pipeline(one, load)));
  }
  await load();
}

function learner(pipeline) {
  const id = `learn-${pipeline.name}`;
  const button = h("button", { type: "button", id, class: pipeline.learning ? "plain" : "primary", onclick: () => doing(button, async () => {
    await send("POST", "learn", { learning: !pipeline.learning, pipeline: pipeline.name });
    toast(t(pipeline.learning ? "learning.now_paused" : "learning.now_on", { name: pipeline.name }));
    await refresh();
    document.getElementById(id)?.focus();
  }) }, icon(pipeline.learning ? "pause" : "play"), t(pipeline.learning ? "learning.pause" : "learning.resume"), h("span", { class: "unseen" }, ` ${pipeline.name}`));
  return h("div", { class: "row learner" }, h("strong", {}, pipeline.name), pipeline.learning ? pill("ok", "ok", t("learning.on")) : pill("warning", "pause", t("learning.paused")), button);
}

function pipeline(one, load) {
  const back = h("button", { type: "button", class: "plain", disabled: !one.can_rollback, onclick: async () => {
    if (!(await confirmed(t("models.rollback"), t("models.rollback.sure", { name: one.name }), t("models.rollback")))) return;
    await doing(back, async () => {
      await send("POST", "models/rollback", { pipeline: one.name });
      toast(t("models.rolled_back", { name: one.name }));
      await load();
    });
  } }, icon("back"), t("models.rollback"), h("span", { class: "unseen" }, ` ${one.name}`));
  if (!one.versions.length) return h("div", {}, h("div", { class: "row" }, h("h3", {}, one.name)), empty(t("models.none"), "waiting"));
  return h("div", {}, h("div", { class: "row head" }, h("h3", {}, one.name), back), h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("models.title") },
    h("table", { class: "versions" }, h("thead", {}, h("tr", {}, ...["id", "algorithm", "created", "figures", "force"].map((name) => h("th", { scope: "col" }, t(`models.${name}`))))),
      h("tbody", {}, [...one.versions].reverse().map((version) => row(one, version, load))))));
}

function row(pipeline_, version, load) {
  const promote = h("button", { type: "button", class: "plain small", onclick: async () => {
    if (!(await confirmed(t("models.promote"), t("models.promote.sure", { id: version.id, name: pipeline_.name }), t("models.promote")))) return;
    await doing(promote, async () => {
      await send("POST", "models/promote", { pipeline: pipeline_.name, id: version.id });
      toast(t("models.promoted", { id: version.id }));
      await load();
    });
  } }, t("models.promote"), h("span", { class: "unseen" }, ` ${version.id}`));
  return h("tr", { class: version.in_force ? "in-force" : "" }, h("th", { scope: "row", class: "mono", title: version.parent ? t("models.parent", { id: version.parent }) : null }, version.id),
    h("td", {}, version.algorithm), h("td", {}, ago(version.created, now())), h("td", {}, figures(version.figures ?? {})),
    h("td", {}, version.in_force ? pill("ok", "ok", t("models.in_force")) : promote));
}

/** The figures it was judged by; those that are parts of 1 as percent. */
function figures(all) {
  const shown = Object.entries(all).filter(([, value]) => typeof value === "number" || typeof value === "boolean");
  const text = (value) => (typeof value === "boolean" ? t(value ? "yes" : "no") : value > 0 && value <= 1 ? percent(value) : number(value));
  return h("dl", { class: "figures" }, shown.slice(0, 8).map(([name, value]) => h("div", {}, h("dt", {}, maybe(`figure.${name}`) || name.replaceAll("_", " ")), h("dd", {}, text(value)))));
}
