// The charts in words: the newest records as a table, made when it is opened.

import { h } from "../dom.js";
import { clock, number } from "../format.js";
import { t } from "../text.js";

const ROWS = 20;
const COLUMNS = 12;

/** `window` gives what is shown now. */
export function valuesTable(window) {
  const place = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": t("values.title") });
  const element = h("details", { class: "card", ontoggle: () => refresh() }, h("summary", {}, t("values.title")), place);

  function refresh() {
    if (!element.open || place.contains(document.activeElement)) return;
    const { time, score, threshold, level, values, features } = window();
    const some = features.slice(0, COLUMNS);
    const rows = time.map((_, i) => i).slice(-ROWS).reverse();
    place.replaceChildren(h("table", { class: "values" },
      h("thead", {}, h("tr", {}, ...[t("values.time"), t("values.score"), t("values.threshold"), ...some.map((one) => (one.unit ? `${one.name} (${one.unit})` : one.name))].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map((i) => h("tr", { class: level[i] >= 1 ? "over" : "" },
        h("th", { scope: "row" }, time[i] == null ? t("chart.record", { x: i + 1 }) : clock(time[i])), h("td", { class: "num" }, number(score[i])), h("td", { class: "num" }, number(threshold[i])),
        some.map((_, f) => h("td", { class: "num" }, number(values[f][i], 4))))))));
  }
  return { element, refresh };
}
