// What happens now: server-sent events, read through fetch because they need the Authorization header.

import { bearer } from "./api.js";

const SLOWEST_S = 15;
const SILENT_MS = 40_000; // the daemon says something every 15 s at least
const AWAY_MS = 60_000;

/** Events go to whoever listens: `tick`, `state`, `alert`, `records`, `lost`; `status` when the line comes or goes. */
class Live extends EventTarget {
  connected = false;
  #watched = {};
  #line = null;
  #failures = 0;

  /** Also send the records of one stream (or of none, without arguments). */
  watch(watched = {}) {
    if (JSON.stringify(watched) === JSON.stringify(this.#watched) && this.#line) return;
    this.#watched = watched;
    this.start();
  }

  /** Listen until the signal is aborted. */
  on(name, listener, signal) {
    this.addEventListener(name, (event) => listener(event.detail), { signal });
  }

  get idle() {
    return this.#line === null;
  }

  start() {
    this.stop();
    this.#line = new AbortController();
    this.#run(this.#line.signal);
  }

  stop() {
    this.#line?.abort();
    this.#line = null;
  }

  async #run(signal) {
    while (!signal.aborted) {
      try {
        await this.#read(signal);
      } catch {
        // no answer, or the line broke: both are told below
      }
      if (signal.aborted) return;
      this.#is(false);
      const pause = Math.min(SLOWEST_S, 0.5 * 2 ** this.#failures++) * (0.7 + 0.6 * Math.random());
      await new Promise((resolve) => setTimeout(resolve, pause * 1000));
    }
  }

  async #read(signal) {
    const values = new URLSearchParams(this.#watched);
    const cut = new AbortController(); // a line on which nothing comes any more is cut
    const end = AbortSignal.any([signal, cut.signal]);
    const answer = await fetch(`v1/events?${values}`, { headers: bearer(), cache: "no-store", credentials: "omit", signal: end });
    if (!answer.ok) throw new Error(String(answer.status));
    this.#failures = 0;
    this.#is(true);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const timer = setTimeout(() => cut.abort(), SILENT_MS);
      const { value, done } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      blocks.forEach((block) => this.#tell(block));
    }
  }

  #tell(block) {
    let name = "message";
    const data = [];
    for (const line of block.split(/\r?\n/)) {
      if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
    }
    if (data.length) this.dispatchEvent(new CustomEvent(name, { detail: JSON.parse(data.join("\n")) }));
  }

  #is(connected) {
    if (connected === this.connected) return;
    this.connected = connected;
    this.dispatchEvent(new CustomEvent("status", { detail: connected }));
  }
}

export const live = new Live();

// A tab that nobody sees gives its line back after a while: a browser has six for each server.
let away = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(away);
  if (document.hidden) away = setTimeout(() => live.stop(), AWAY_MS);
  else if (live.idle) live.start();
});
