// Numbers and times as a person reads them. A missing number is a dash.

import { language, t } from "./text.js";

const DASH = "–";

/** About `digits` significant digits, without an exponent where that can be avoided. */
export function number(x, digits = 3) {
  if (x == null || !Number.isFinite(x)) return DASH;
  const size = Math.abs(x);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return x.toExponential(digits - 1);
  if (size >= 10 ** digits) return Math.round(x).toLocaleString(language);
  return x.toLocaleString(language, { maximumSignificantDigits: digits });
}

export const whole = (x) => (x == null ? DASH : Math.round(x).toLocaleString(language));

export const percent = (x) =>
  x == null || !Number.isFinite(x) ? DASH : x.toLocaleString(language, { style: "percent", maximumFractionDigits: Math.abs(x) < 0.0995 ? 1 : 0 });

/** Score over threshold: `0.82×`, `13×`. */
export const times = (level) =>
  level == null || !Number.isFinite(level) ? DASH : `${level < 10 ? level.toLocaleString(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : number(level)}×`;

/** A number with its unit. */
export const measured = (x, unit) => (unit && x != null ? `${number(x, 4)} ${unit}` : number(x, 4));

/** Seconds in their two largest units: `2 h 5 min`. */
export function duration(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return DASH;
  const left = Math.max(0, seconds);
  if (left < 10) return t("time.s", { x: number(left, 2) });
  if (left < 60) return t("time.s", { x: Math.round(left) });
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => left >= size);
  const [a, b] = [parts[first], parts[first + 1]];
  const rest = b ? Math.floor((left % a[1]) / b[1]) : 0;
  const head = t(`time.${a[0]}`, { x: Math.floor(left / a[1]) });
  return rest ? `${head} ${t(`time.${b[0]}`, { x: rest })}` : head;
}

/** The time of day, and the day where that is not today. */
export function clock(time) {
  if (time == null || !Number.isFinite(time)) return DASH;
  const date = new Date(time * 1000);
  if (Number.isNaN(date.getTime())) return DASH;
  const today = date.toDateString() === new Date().toDateString();
  const day = today ? {} : { year: "numeric", month: "short", day: "numeric" };
  return date.toLocaleString(language, { ...day, hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

/** How long ago, or when, where that is more than a day from now: a replayed stream has old times. */
export function ago(time, now = Date.now() / 1000) {
  if (time == null) return DASH;
  const past = now - time;
  if (past < -60 || past > 86400) return clock(time);
  return past < 5 ? t("time.now") : t("time.ago", { x: duration(past) });
}

/** How long an alert has lasted; "" while it is open in a stream with old times, of which none is now. */
export function lasted(alert, now) {
  const open = alert.status !== "closed";
  if (open && now - alert.time >= 86400) return "";
  return duration(Math.max(0, (open ? now : alert.time) - alert.opened));
}

/** The reason of an alert without the stream's name, which stands beside it. */
export const reason = (alert) => (alert.key && alert.message.startsWith(`${alert.key}: `) ? alert.message.slice(alert.key.length + 2) : alert.message);

/** How a stream is called: its key, or its pipeline where there is one model only. */
export const named = (pipeline, key) => (key === "" ? pipeline : key);
