// Two features against each other: the ellipse is what counts as normal, the circle what a distance that
// knows of no correlation would take in.

import { get } from "../api.js";
import { every, h, say } from "../dom.js";
import { failure, legend, select } from "../parts.js";
import { pairPlot } from "../plots.js";
import { t } from "../text.js";

const AGAIN_MS = 5000;

export function pairPart(place, { features, values }, signal) {
  const options = features.map((one) => [one.name, one.name]);
  const moving = features.filter((_, i) => new Set(values[i]).size > 1); // what never changes makes no plane
  const [x, y] = moving.length > 1 ? moving : features;
  const chosen = { x: x?.name, y: y?.name };
  const plot = h("div", { class: "plot" });
  const said = h("p", { class: "hint" });
  const pick = (axis) => select(`pair-${axis}`, options, chosen[axis], (name) => { chosen[axis] = name; load(); }, t(`pair.${axis}`));
  const element = h("section", { class: "card", "aria-labelledby": "pair-title" },
    h("div", { class: "row head" }, h("h2", { id: "pair-title" }, t("pair.title")), h("div", { class: "row" }, pick("x"), h("span", { class: "dim" }, "×"), pick("y"))),
    plot, legend(["ellipse", t("pair.ellipse")], ["circle", t("pair.circle")], ["over", t("legend.over")]), said);

  async function load() {
    if (features.length < 2) return say(said, t("pair.few"));
    try {
      const answer = await get("streams/ellipse", { ...place, ...chosen }, signal);
      const two = ["x", "y"].map((axis) => features.find((one) => one.name === chosen[axis]));
      plot.replaceChildren(pairPlot(answer, two));
      say(said, t("pair.said", { ellipse: answer.outside_ellipse ?? 0, circle: answer.outside_circle ?? 0 }));
    } catch (error) {
      if (!signal.aborted) plot.replaceChildren(failure(error));
    }
  }
  every(AGAIN_MS, load, signal);
  load();
  return element;
}
