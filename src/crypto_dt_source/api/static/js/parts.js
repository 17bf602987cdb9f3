// Pieces that every page is made of.

import { ApiError } from "./api.js";
import { fill, h, s } from "./dom.js";
import * as format from "./format.js";

/** A page's heading with what stands beside it. */
export const heading = (title, ...beside) => h("div", { class: "heading" }, h("h1", {}, title), h("div", { class: "beside" }, ...beside));

/** A framed part of a page with its own heading. */
export function card(title, ...children) {
  const id = `c-${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`;
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

/** Grey bars in the place of what is being fetched, as high as it will be: `rows` lines of text. */
export const loading = (rows = 3) =>
  h("div", { class: "skeleton", "aria-hidden": "true" }, Array.from({ length: rows }, () => h("div", { class: "bar-line" })));

/** What stands where there is nothing, and why. */
export const empty = (text, ...more) => h("p", { class: "empty" }, text, ...more);

/** What stands where a request failed: the server's own sentence, when to try again, and a button for it. */
export function failure(error, again = null) {
  if (error.name === "AbortError") return h("span");
  const known = error instanceof ApiError;
  const wait = known && error.retryAfter ? ` Next try in ${format.duration(error.retryAfter)}.` : "";
  const node = h(
    "div", { class: "failure", role: "alert" },
    h("p", {}, known ? error.message : `This part of the page failed: ${error.message}`, wait),
    known && error.requestId ? h("p", { class: "soft small" }, `Request ${error.requestId}`) : null,
  );
  if (again) {
    const button = h("button", { type: "button", onclick: () => again() }, "Try again");
    node.append(button);
    if (known && error.retryAfter) {
      // Nothing hammers: the part comes back by itself once the server said it may.
      const timer = setTimeout(() => node.isConnected && again(), error.retryAfter * 1000 + 250);
      button.addEventListener("click", () => clearTimeout(timer));
    }
  }
  return node;
}

/**
 * Fills a node with what `make()` gives, skeleton first, failure with a way to try again. `make` gets `signal`; what was
 * left meanwhile stays untouched. An old content stays until the new one is there.
 */
export async function load(node, signal, make, rows = 3) {
  if (!node.hasChildNodes()) fill(node, loading(rows));
  node.setAttribute("aria-busy", "true");
  try {
    const made = await make(signal);
    if (signal.aborted) return;
    if (made !== undefined) fill(node, made);
  } catch (error) {
    if (signal.aborted) return;
    const again = () => load(node, signal, make, rows);
    fill(node, failure(error, again));
    // The server was away: what failed for that comes back with it.
    if (error instanceof ApiError && (error.status === 0 || error.status === 503)) {
      document.addEventListener("serverreturn", () => node.querySelector(".failure") && again(), { once: true, signal });
    }
    if (!(error instanceof ApiError)) console.error(error);
  } finally {
    node.removeAttribute("aria-busy");
  }
}

/** Calls `act` every so many seconds while the page is looked at and not left. */
export function every(seconds, signal, act) {
  const timer = setInterval(() => document.visibilityState === "visible" && act(), seconds * 1000);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}

/** A small word in a frame: `ok`, `warn`, `bad`, `off` or none as its tone. */
export const badge = (text, tone = "", title = null) => h("span", { class: `badge ${tone}`, title }, text);

const TONES = {
  ok: "ok", up: "ok", live: "ok", closed: "ok", leads: "ok", degraded: "warn", half_open: "warn", single_source: "warn", idle: "off", off: "off",
  no_key: "off", gone: "off", paused: "off", starting: "warn", down: "bad", open: "bad", failed: "bad", no_consensus: "bad", no_data: "bad", crashed: "bad",
};

/** A state of the API as a badge in its tone. */
export const stateBadge = (state, title = null) => badge(String(state ?? format.NONE).replaceAll("_", " "), TONES[state] ?? "", title);

/** A change in percent, coloured, with its sign. */
export const change = (value) => h("span", { class: `change ${format.direction(value)}` }, format.percent(value));

/** How long ago a time was; main.js keeps it true while it is shown. */
export const ago = (time) => h("time", { datetime: time, title: format.when(time), dataset: { ago: "" } }, format.ago(time));

/** Where an answer came from and how old it is, from its `meta`. */
export function provenance(meta) {
  if (!meta) return h("span");
  const names = meta.source ?? [];
  const from = names.length === 0 ? "no source named" : names.length <= 2 ? names.join(", ") : `${names.length} sources`;
  return h(
    "span", { class: "provenance", title: names.join(", ") || null },
    meta.stale ? badge("stale", "warn", "No upstream renewed this in time; it is the last that is known.") : null,
    ` ${from}`, meta.fetched_at ? [" · ", ago(meta.fetched_at)] : null,
  );
}

/** A line of values without axes. Fewer than two values give an empty frame of the same size. */
export function sparkline(values, { width = 110, height = 32, label = "" } = {}) {
  const known = (values ?? []).filter((value) => Number.isFinite(value));
  const frame = { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" };
  if (known.length < 2) return s("svg", { ...frame, "aria-hidden": "true" });
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const span = high - low || 1;
  const points = known.map((value, index) => `${((index / (known.length - 1)) * width).toFixed(1)},${(height - 2 - ((value - low) / span) * (height - 4)).toFixed(1)}`);
  const tone = format.direction(((known.at(-1) - known[0]) / (Math.abs(known[0]) || 1)) * 100);
  return s(
    "svg", { ...frame, class: `spark ${tone}`, role: "img", "aria-label": label || `From ${format.number(known[0], 6)} to ${format.number(known.at(-1), 6)}` },
    s("polyline", { points: points.join(" "), fill: "none", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" }),
  );
}

/** A half circle from 0 to 100 with its value and word, as for fear and greed. */
export function gauge(value, word, label) {
  const angle = Math.PI * (1 - Math.min(100, Math.max(0, value ?? 0)) / 100);
  const [x, y] = [100 + 74 * Math.cos(angle), 96 - 74 * Math.sin(angle)];
  const arc = (from, to, tone) => {
    const at = (part) => [100 + 84 * Math.cos(Math.PI * (1 - part)), 96 - 84 * Math.sin(Math.PI * (1 - part))].map((n) => n.toFixed(2)).join(" ");
    return s("path", { d: `M${at(from)} A84 84 0 0 1 ${at(to)}`, class: `arc ${tone}`, fill: "none", "stroke-width": 14 });
  };
  return s(
    "svg", { class: "gauge", viewBox: "0 0 200 124", role: "img", "aria-label": `${label}: ${value ?? "not known"} of 100${word ? `, ${word}` : ""}` },
    arc(0, 0.246, "t1"), arc(0.254, 0.446, "t2"), arc(0.454, 0.546, "t3"), arc(0.554, 0.746, "t4"), arc(0.754, 1, "t5"),
    value === null || value === undefined ? null : s("circle", { cx: x.toFixed(2), cy: y.toFixed(2), r: 6, class: "needle" }),
    s("text", { x: 100, y: 90, "text-anchor": "middle", class: "gauge-value" }, String(value ?? format.NONE)),
    s("text", { x: 100, y: 114, "text-anchor": "middle", class: "gauge-word" }, word ?? ""),
  );
}

/** A bar that is filled by so much of one; the text says it too. */
export const meter = (part, text, tone = "") =>
  h("div", { class: `meter ${tone}` }, h("div", { class: "meter-track" }, h("div", { class: "meter-fill", style: { width: `${Math.min(100, Math.max(0, part * 100)).toFixed(1)}%` } })), h("span", {}, text));

/** Name and value pairs. */
export const facts = (pairs) => h("dl", { class: "facts" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

/** Buttons of which one is chosen: `choices` are `[value, text]`. */
export function choice(label, choices, chosen, onchoose) {
  const buttons = choices.map(([value, text]) =>
    h("button", { type: "button", "aria-pressed": String(value === chosen), dataset: { value }, onclick: () => {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === String(value)));
      onchoose(value);
    } }, text));
  return h("div", { class: "choice", role: "group", "aria-label": label }, buttons);
}

/** A labelled input of one line. */
export const field = (label, properties) => h("label", { class: "field" }, h("span", {}, label), h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...properties }));
