// The frame around the views: header, navigation, which view the address names.

import { tokenOfAddress } from "./api.js";
import { byId, frame, h, say } from "./dom.js";
import { clock, duration, named, reason } from "./format.js";
import { live } from "./live.js";
import { doing, failure, pill } from "./parts.js";
import { now, onOverview, refresh, store } from "./store.js";
import { language, preferred, speak, t } from "./text.js";
import { themeButton } from "./theme.js";
import { NoToken } from "./token.js";
import * as alert from "./views/alert.js";
import * as alerts from "./views/alerts.js";
import * as models from "./views/models.js";
import * as overview from "./views/overview.js";
import * as quiet from "./views/quiet.js";
import * as stream from "./views/stream.js";

const VIEWS = { "/": overview, "/stream": stream, "/alerts": alerts, "/alert": alert, "/models": models, "/quiet": quiet };
const NAVIGATION = [["/", "nav.overview"], ["/alerts", "nav.alerts"], ["/models", "nav.models"], ["/quiet", "nav.quiet"]];
const WITHIN = { "/stream": "/", "/alert": "/alerts" };

let shown = new AbortController();
let first = true;
let lostAt = null;

async function route() {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  const [path, values] = location.hash.slice(1).split("?");
  const view = VIEWS[path] ?? overview;
  const place = WITHIN[path] ?? path ?? "/";
  for (const link of byId("nav").querySelectorAll("a")) {
    if (link.getAttribute("href") === `#${place || "/"}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const main = byId("main");
  const params = new URLSearchParams(values);
  live.watch(view === stream ? { pipeline: params.get("pipeline") ?? "", key: params.get("key") ?? "" } : {});
  const content = h("div", { class: "view" });
  try {
    await view.show(content, params, signal);
  } catch (error) {
    if (signal.aborted) return;
    content.replaceChildren(h("h1", { tabindex: "-1" }, t("error.title")), failure(error instanceof NoToken ? new Error(t("token.none")) : error),
      h("button", { type: "button", class: "primary", onclick: route }, t("error.again")));
  }
  if (signal.aborted) return;
  main.replaceChildren(content);
  content.dispatchEvent(new Event("shown"));
  scrollTo(0, 0);
  if (!first) content.querySelector("h1")?.focus();
  first = false;
  titled();
}

function titled() {
  const heading = document.querySelector("main h1")?.textContent ?? "";
  const open = store.overview?.pipelines.reduce((sum, one) => sum + one.open_alerts, 0) ?? 0;
  const text = `${open ? `(${open}) ` : ""}${heading ? `${heading} · ` : ""}${store.overview?.name ?? "kyori"}`;
  if (document.title !== text) document.title = text;
}

function header() {
  byId("skip").textContent = t("skip");
  byId("nav").setAttribute("aria-label", t("nav.main"));
  byId("nav").replaceChildren(...NAVIGATION.map(([path, key]) =>
    h("a", { href: `#${path}` }, t(key), path === "/alerts" ? h("span", { class: "count", id: "open-count", hidden: true }) : null)));
  const line = h("span", { id: "line" });
  const other = language === "en" ? "ja" : "en";
  byId("tools").replaceChildren(h("span", { id: "learning" }), line,
    h("button", { type: "button", class: "icon-button text", lang: other, "aria-label": t("language.other"), title: t("language.other"), onclick: () => change(other) },
      other.toUpperCase()),
    themeButton());
  byId("footer").replaceChildren(h("span", { id: "version" }), h("a", { href: "v1/openapi.json" }, "API"), h("a", { href: "static/vendor/uPlot.LICENSE" }, "uPlot (MIT)"));
  shownStatus();
}

async function change(tag) {
  await speak(tag);
  try {
    localStorage.setItem("kyori.language", tag);
  } catch {
    // then it holds until the page is closed
  }
  header();
  if (store.overview) shownOverview(store.overview);
  await route();
}

function shownStatus() {
  const line = byId("line");
  line.replaceChildren(live.connected ? pill("ok live", "plug", t("line.live")) : pill(lostAt ? "critical" : "dim", "unplugged", t(lostAt ? "line.lost" : "line.connecting")));
  const banner = byId("banner");
  banner.hidden = !lostAt;
  if (lostAt) say(banner, t("line.banner", { since: clock(lostAt) }));
}

function shownOverview(state) {
  frame("header", () => {
    say(byId("instance"), state.name);
    say(byId("version"), t("footer.running", { version: state.version, x: duration(now() - state.started) }));
    const open = state.pipelines.reduce((sum, one) => sum + one.open_alerts, 0);
    const count = byId("open-count");
    count.hidden = open === 0;
    say(count, String(open));
    count.setAttribute("aria-label", t("nav.open", { n: open }));
    const learning = state.pipelines.every((one) => one.learning);
    const place = byId("learning");
    if (learning) place.replaceChildren();
    else if (!place.firstChild) place.replaceChildren(h("a", { href: "#/models" }, pill("warning", "pause", t("learning.paused"))));
    titled();
  });
}

live.on("status", (connected) => {
  lostAt = connected ? null : (lostAt ?? Date.now() / 1000);
  shownStatus();
  if (connected) refresh().catch(() => {});
});
live.on("alert", ({ alert: one }) => {
  if (one.status !== "open" || one.time !== one.opened) return;
  say(byId("announcer"), t("alert.announced", { name: named(one.pipeline, one.key), message: reason(one) }));
});
live.on("lost", () => refresh().catch(() => {}));

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#token=")) tokenOfAddress();
  if (location.hash !== "#main") route();
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
addEventListener("kyori-token", () => live.start());

tokenOfAddress();
await speak(preferred());
header();
onOverview(shownOverview);
doing(null, refresh);
await route();
