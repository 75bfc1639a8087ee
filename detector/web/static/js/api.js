// The way to the daemon: reading, changing, and the token that a change needs.

import { askToken } from "./token.js";
import { t } from "./text.js";

const TOKEN = "kyori.token";

/** What the daemon said against it; `message` is its own sentence, with the remedy. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const token = () => sessionStorage.getItem(TOKEN) ?? "";
export const keepToken = (text) => sessionStorage.setItem(TOKEN, text);
export const forgetToken = () => sessionStorage.removeItem(TOKEN);

/** Take a token that came in the address (`#token=...`), and take it out of the address. */
export function tokenOfAddress() {
  const found = /^#token=([^&]+)/.exec(location.hash);
  if (!found) return;
  keepToken(decodeURIComponent(found[1]));
  history.replaceState(null, "", `${location.pathname}#/`);
}

export const bearer = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value != null); // "" is a key: that of the single model
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

/** Read; where the daemon wants a token for that, it is asked for, once. */
export async function get(path, values = {}, signal = undefined) {
  for (;;) {
    const answer = await reached(`v1/${path}${query(values)}`, { headers: bearer(), signal });
    if (answer.status !== 401) return read(answer);
    await askToken(token() ? t("token.wrong") : t("token.read"));
  }
}

/** Change something; the token is asked for where there is none, or not the right one. */
export async function send(method, path, body = {}) {
  if (!token()) await askToken(t("token.change"));
  for (;;) {
    const answer = await reached(`v1/${path}`, {
      method,
      headers: { "Content-Type": "application/json", ...bearer() },
      body: method === "DELETE" ? undefined : JSON.stringify(body),
    });
    if (answer.status !== 401) return read(answer);
    await askToken(t("token.wrong"));
  }
}

async function reached(path, options) {
  try {
    return await fetch(path, { cache: "no-store", credentials: "omit", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, t("error.unreachable"));
  }
}

async function read(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // an error of what is between us and the daemon
  }
  if (!answer.ok) throw new Refused(answer.status, body.error ?? t("error.status", { status: answer.status }));
  return body;
}
