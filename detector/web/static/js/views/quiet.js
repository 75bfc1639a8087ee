// When alerts are kept but not sent: quiet windows of the configuration, and silences that a person set.

import { get, send } from "../api.js";
import { h, icon } from "../dom.js";
import { clock, duration } from "../format.js";
import { doing, empty, field, pill, select, toast } from "../parts.js";
import { now, pipelineNames } from "../store.js";
import { t } from "../text.js";

const LENGTHS = ["30m", "1h", "2h", "8h", "1d", "7d"];

export async function show(view, _params, signal) {
  const silences = h("div", {});
  const windows = h("div", {});
  const load = async () => {
    const answer = await get("silences", {}, signal);
    silences.replaceChildren(answer.silences.length ? h("ul", { class: "plain-list" }, answer.silences.map((one) => silence(one, load))) : empty(t("silences.none"), "bell"));
    windows.replaceChildren(answer.windows.length ? h("ul", { class: "plain-list" }, answer.windows.map(planned)) : empty(t("windows.none"), "waiting"));
  };
  view.append(h("div", { class: "title" }, h("h1", { tabindex: "-1" }, t("nav.quiet"))), h("p", { class: "under-title dim" }, t("quiet.hint")),
    h("div", { class: "columns even" },
      h("section", { class: "card", "aria-labelledby": "new-title" }, h("h2", { id: "new-title" }, t("silences.new")), form(await pipelineNames(), load)),
      h("div", { class: "stack" },
        h("section", { class: "card", "aria-labelledby": "silences-title" }, h("h2", { id: "silences-title" }, t("silences.title")), silences),
        h("section", { class: "card", "aria-labelledby": "windows-title" }, h("h2", { id: "windows-title" }, t("windows.title")), windows, h("p", { class: "hint" }, t("windows.hint"))))));
  await load();
}

function form(names, load) {
  const pipelines = names.map((name) => [name, name]);
  const chosen = { pipeline: "", length: "2h" };
  const keys = h("input", { id: "silence-keys", required: true, value: "*", spellcheck: "false", autocomplete: "off", maxlength: "200", "aria-describedby": "silence-keys-hint" });
  const why = h("input", { id: "silence-why", required: true, maxlength: "200", autocomplete: "off", placeholder: t("silences.why.example") });
  const submit = h("button", { type: "submit", class: "primary" }, icon("silence"), t("silences.set"));
  return h("form", { class: "stack", onsubmit: (event) => {
    event.preventDefault();
    doing(submit, async () => {
      await send("POST", "silences", { keys: keys.value.trim(), for: chosen.length, why: why.value.trim(), by: "page", ...(chosen.pipeline ? { pipeline: chosen.pipeline } : {}) });
      toast(t("silences.done"));
      why.value = "";
      await load();
    });
  } },
  field("silence-keys", t("silences.keys"), keys, t("silences.keys.hint")),
  field("silence-pipeline", t("alerts.pipeline"), select("silence-pipeline", [["", t("any")], ...pipelines], "", (value) => { chosen.pipeline = value; })),
  field("silence-for", t("silences.for"), select("silence-for", LENGTHS.map((one) => [one, t(`length.${one}`)]), chosen.length, (value) => { chosen.length = value; })),
  field("silence-why", t("silences.why"), why), h("div", { class: "row end" }, submit));
}

function silence(one, load) {
  const end = h("button", { type: "button", class: "plain small", onclick: () => doing(end, async () => {
    await send("DELETE", `silences/${encodeURIComponent(one.id)}`);
    toast(t("silences.ended"));
    await load();
  }) }, t("silences.end"), h("span", { class: "unseen" }, ` ${one.keys}`));
  return h("li", { class: "row wrap" }, h("span", { class: "grow" }, h("strong", { class: "key" }, one.keys), one.pipeline ? h("span", { class: "dim" }, ` · ${one.pipeline}`) : null, h("br"), h("span", {}, one.why), h("br"),
    h("span", { class: "dim" }, t("silences.until", { time: clock(one.until), x: duration(one.until - now()) }), one.by ? ` · ${one.by}` : null)), end);
}

/** A window of the configuration: what it says, and when it begins next. */
function planned(one) {
  return h("li", { class: "row wrap" }, h("span", { class: "grow" }, h("strong", { class: "key" }, one.keys || "*"), h("span", { class: "dim" }, ` · ${one.pipeline}`), h("br"),
    h("span", { class: "mono" }, one.cron), ` · ${duration(one.lasts)}`, one.why ? [h("br"), h("span", {}, one.why)] : null), one.active ? pill("info", "quiet", t("windows.active")) : one.next ? pill("dim", "waiting", t("windows.next", { time: clock(one.next) })) : null);
}
