// How values are written. What is null was not delivered by any upstream, and is shown as a dash.

export const NONE = "–";
const LOCALE = "en-US";
const cache = new Map();

function style(key, options) {
  if (!cache.has(key)) cache.set(key, new Intl.NumberFormat(LOCALE, options));
  return cache.get(key);
}

const missing = (value) => value === null || value === undefined || Number.isNaN(value);

/** A price in US dollars: two decimals from a dollar on, so many significant digits below. */
export function price(value, unit = "$", significant = 6) {
  if (missing(value)) return NONE;
  const size = Math.abs(value);
  const digits = size >= 1
    ? style(size >= 1000 ? "large" : "price", { minimumFractionDigits: 2, maximumFractionDigits: size >= 1000 ? 2 : 4 })
    : style(`small${significant}`, { maximumSignificantDigits: significant, maximumFractionDigits: 20, roundingPriority: "lessPrecision" });
  return `${value < 0 ? "-" : ""}${unit}${digits.format(size)}`;
}

/** A large amount: 1.23T, 45.6B. */
export function compact(value, unit = "") {
  if (missing(value)) return NONE;
  if (Math.abs(value) >= 1e16) return `${unit}${value.toExponential(2)}`;
  const text = style("compact", { notation: "compact", minimumFractionDigits: 0, maximumFractionDigits: 2 }).format(Math.abs(value));
  return `${value < 0 ? "-" : ""}${unit}${text}`;
}

export const money = (value) => compact(value, "$");

/** A whole or broken number with separators. */
export const number = (value, decimals = 2) =>
  missing(value) ? NONE : style(`n${decimals}`, { maximumFractionDigits: decimals }).format(value);

/** The same with always as many decimals, so that a column of them stands still. */
export const fixed = (value, decimals) =>
  missing(value) ? NONE : style(`f${decimals}`, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(value);

/** A change in percent with its sign. */
export function percent(value, decimals = 2) {
  if (missing(value)) return NONE;
  const text = style(`p${decimals}`, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(Math.abs(value));
  const sign = Number(text.replaceAll(",", "")) === 0 ? "" : value < 0 ? "−" : "+";
  return `${sign}${text}%`;
}

/** A share of one as percent without a sign: 0.553 is 55.3%. */
export const share = (value, decimals = 1) =>
  missing(value) ? NONE : `${style(`s${decimals}`, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(value * 100)}%`;

/** `up`, `down` or `flat` of a change in percent, for colour; what is written as 0.00% is flat. The sign says it to who sees none. */
export const direction = (value) => (missing(value) || Math.abs(value) < 0.005 ? "flat" : value > 0 ? "up" : "down");

/** Seconds as the two largest units: 45 s, 3 min, 2 h 5 min, 4 d; a second unit of none is left out. */
export function duration(seconds) {
  if (missing(seconds)) return NONE;
  const whole = Math.max(0, seconds);
  if (whole < 1) return `${Math.round(whole * 1000)} ms`;
  if (whole < 60) return `${Math.round(whole)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  const [large, part, small] = whole < 86_400 ? ["h", 3600, "min"] : ["d", 86_400, "h"];
  const rest = Math.floor((whole % part) / (part / (large === "h" ? 60 : 24)));
  return `${Math.floor(whole / part)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}

let ahead = 0;

/** The server's clock now, as far as an answer has told it: this machine's may be off by hours. Epoch milliseconds. */
export const now = () => Date.now() - ahead;

/** What an answer says of the time: its Date header, whole seconds, between two readings of this machine's clock. */
export function told(date, from, to) {
  const second = Date.parse(date ?? "");
  if (Number.isNaN(second)) return;
  const [least, most] = [from - second - 1000, to - second];
  ahead = least <= 0 && most >= 0 ? 0 : (least + most) / 2;
}

/** How long ago an RFC 3339 time was, by the server's clock. */
export function ago(time) {
  if (!time) return NONE;
  const seconds = (now() - Date.parse(time)) / 1000;
  return seconds < 5 ? "just now" : `${duration(seconds)} ago`;
}

/** An RFC 3339 time in UTC, to the second. */
export function when(time) {
  if (!time) return NONE;
  return new Date(time).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

/** Only its day. */
export const day = (time) => (time ? new Date(time).toISOString().slice(0, 10) : NONE);

/** Bytes. */
export function bytes(value) {
  if (missing(value)) return NONE;
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${number(size, unit ? 1 : 0)} ${units[unit]}`;
}
