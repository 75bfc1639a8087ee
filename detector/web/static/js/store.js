// How the daemon is, for all views: asked for every few seconds, and kept fresh by the ticks between.

import { get } from "./api.js";
import { live } from "./live.js";

const EVERY_MS = 5000;
const KEPT = 120; // two minutes of rates

export const store = { overview: null, rates: new Map(), skew: 0 };
const changes = new EventTarget();
let timer = 0;

/** The daemon's clock, not the browser's. */
export const now = () => Date.now() / 1000 + store.skew;

/** Call it with each new state until the signal is aborted, and now if there is one. */
export function onOverview(listener, signal) {
  changes.addEventListener("overview", () => listener(store.overview), { signal });
  if (store.overview) listener(store.overview);
}

/** Ask now, and from then on every few seconds. */
export async function refresh() {
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(() => {}), EVERY_MS);
  store.overview = await get("overview");
  store.skew = store.overview.now - Date.now() / 1000;
  tell();
}

/** Names of the pipelines, also when nothing was asked yet. */
export async function pipelineNames() {
  if (!store.overview) await refresh();
  return store.overview.pipelines.map((one) => one.name);
}

const tell = () => changes.dispatchEvent(new Event("overview"));

live.on("tick", ({ pipeline, rate, records, open_alerts, alerts, anomalies, learning }) => {
  const rates = store.rates.get(pipeline) ?? [];
  rates.push(rate);
  store.rates.set(pipeline, rates.slice(-KEPT));
  const known = store.overview?.pipelines.find((one) => one.name === pipeline);
  if (!known) return;
  Object.assign(known, { rate, records, open_alerts, alerts, anomalies, learning });
  tell();
});
live.on("alert", () => refresh().catch(() => {}));
