// All streams by how far they are from normal, most first; searched, and shown a page at a time.

import { get } from "../api.js";
import { frame, h, icon, say } from "../dom.js";
import { ago, named, number, whole } from "../format.js";
import { live } from "../live.js";
import { empty, meter, select, spark, streamLink } from "../parts.js";
import { now, store } from "../store.js";
import { t } from "../text.js";

const PAGE = 25;
const RANK_MS = 3000;
const TREND = 40;

const id = (entry) => `${entry.pipeline}\u0000${entry.key}`;

export function ranking(signal) {
  const rows = new Map(); // what is shown, by id, in the order of the daemon
  const trends = new Map();
  let [query, sort, limit, total, asked] = ["", "level", PAGE, 0, 0];

  const search = h("input", { id: "search", type: "search", placeholder: t("streams.search"), autocomplete: "off", spellcheck: "false",
    oninput: () => { query = search.value.trim(); limit = PAGE; soon(150); } });
  const body = h("tbody", {});
  const count = h("span", { class: "dim", role: "status" });
  const none = h("div", { hidden: true }, empty(t("streams.none"), "search"));
  const more = h("button", { type: "button", class: "plain wide-button", hidden: true, onclick: () => { limit += PAGE; load(); } }, t("more"));
  const table = h("table", { class: "ranking" }, h("caption", { class: "unseen" }, t("streams.caption")),
    h("thead", {}, h("tr", {}, ...["key", "level", "trend", "score", "top", "time"].map((name) => h("th", { scope: "col", class: `c-${name}` }, t(`streams.${name}`))))), body);
  const element = h("section", { class: "card streams", "aria-labelledby": "streams-title" },
    h("div", { class: "row head" }, h("h2", { id: "streams-title" }, t("streams.title")), count,
      h("div", { class: "row tools" },
        h("label", { class: "search", for: "search" }, icon("search"), h("span", { class: "unseen" }, t("streams.search")), search),
        select("sort", ["level", "key", "time"].map((name) => [name, t(`sort.${name}`)]), sort, (value) => { sort = value; load(); }, t("sort")))),
    table, none, more);

  let timer = 0;
  const soon = (ms) => {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(() => load().catch(() => soon(RANK_MS)), ms);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));

  // Rows do not move away under a pointer or from under the focus.
  const held = () => body.matches(":hover") || body.contains(document.activeElement);

  async function load() {
    const mine = ++asked;
    const answer = await get("streams", { q: query || undefined, sort, limit, offset: 0 }, signal);
    if (mine !== asked || signal.aborted) return;
    total = answer.total;
    frame("ranking", () => ranked(answer.streams));
    soon(RANK_MS);
  }

  function ranked(entries) {
    const still = held() && rows.size > 0 && entries.length === rows.size && entries.every((entry) => rows.has(id(entry)));
    const wanted = new Set(entries.map(id));
    for (const [name, row] of rows) {
      if (!wanted.has(name)) {
        row.element.remove();
        rows.delete(name);
      }
    }
    for (const entry of entries) {
      if (!rows.has(id(entry))) rows.set(id(entry), line(entry));
      rows.get(id(entry)).set(entry, trends.get(id(entry)));
    }
    if (!still) {
      entries.forEach((entry, i) => {
        const { element: mine } = rows.get(id(entry));
        if (body.children[i] !== mine) body.insertBefore(mine, body.children[i] ?? null);
      });
    }
    say(count, t("streams.count", { n: total, shown: whole(rows.size), total: whole(total) }));
    none.hidden = total !== 0;
    table.hidden = total === 0;
    more.hidden = rows.size >= total;
  }

  live.on("state", ({ pipeline, keys }) => {
    for (const entry of keys) {
      entry.pipeline ??= pipeline;
      const name = id(entry);
      if (!rows.has(name)) continue;
      const trend = trends.get(name) ?? [];
      if (entry.level != null) trend.push(entry.level);
      if (trend.length > TREND) trend.shift();
      trends.set(name, trend);
      frame(`row ${name}`, () => rows.get(name)?.set(entry, trend));
    }
  }, signal);

  return { element, load };
}

function line(entry) {
  const level = meter();
  const trend = spark();
  const state = h("span", { class: "state" });
  const [score, top, time] = [h("td", { class: "c-score num" }), h("td", { class: "c-top" }), h("td", { class: "c-time dim" })];
  const element = h("tr", {},
    h("th", { scope: "row", class: "c-key" }, h("a", { href: streamLink(entry.pipeline, entry.key) }, state, h("span", { class: "key" }, named(entry.pipeline, entry.key))),
      entry.key === "" || store.overview?.pipelines.length === 1 ? null : h("span", { class: "dim pipeline-name" }, entry.pipeline)),
    h("td", { class: "c-level" }, level.element), h("td", { class: "c-trend" }, trend.element), score, top, time);
  let tone = null;
  return {
    element,
    set(now_, values) {
      level.set(now_.level);
      if (values?.length > 1) trend.set(values, TREND);
      say(score, `${number(now_.score)} / ${number(now_.threshold)}`);
      say(top, now_.top.slice(0, 2).join(", "));
      say(time, ago(now_.time, now()));
      const mine = now_.anomaly ? now_.severity || "warning" : now_.level == null ? "waiting" : "ok";
      if (mine === tone) return;
      tone = mine;
      element.className = mine;
      state.replaceChildren(icon(mine), h("span", { class: "unseen" }, t(`severity.${mine}`)));
    },
  };
}
