// All features in two dimensions: by the labels where there are some (LFDA), else by the variance (PCA).

import { get } from "../api.js";
import { every, h, say } from "../dom.js";
import { choice, empty, failure } from "../parts.js";
import { embeddingPlot } from "../plots.js";
import { t } from "../text.js";

const AGAIN_MS = 10_000;

export function embeddingPart(place, signal) {
  let method = "pca";
  const plot = h("div", { class: "plot" });
  const said = h("p", { class: "hint", role: "status" });
  const element = h("section", { class: "card", "aria-labelledby": "embedding-title" },
    h("div", { class: "row head" }, h("h2", { id: "embedding-title" }, t("embedding.title")),
      choice(t("embedding.method"), [["pca", "PCA"], ["lfda", "LFDA"]], method, (value) => { method = value; load(); })),
    h("p", { class: "hint" }, t("embedding.hint")), plot, said);

  async function load() {
    try {
      let note = "";
      const answer = await get("streams/embedding", { ...place, method }, signal).catch((error) => {
        if (method !== "lfda" || error.status !== 409) throw error;
        note = error.message; // not enough labels: what can be shown is shown, and why
        return get("streams/embedding", { ...place, method: "pca" }, signal);
      });
      plot.replaceChildren(embeddingPlot(answer) ?? empty(t("embedding.none"), "waiting"));
      say(said, note || answer.note || "");
    } catch (error) {
      if (!signal.aborted) plot.replaceChildren(failure(error));
    }
  }
  every(AGAIN_MS, load, signal);
  load();
  return element;
}
