// Availability over a window as bars: as high as it was available, with the tone beside.

import { h, s } from "../../dom.js";
import * as format from "../../format.js";

const HIGH = 20;
const LOW = 3;
const GOOD_PCT = 99;
const FAIR_PCT = 90;
const NAMES = { "24h": "24 hours", "7d": "7 days", "90d": "90 days" };
const PARTS = { "24h": "hour", "7d": "six hours", "90d": "day" };

/** Windows of the scoreboard as `[value, text]`. */
export const WINDOWS = Object.entries(NAMES);

const tone = (value) => (value === null ? "none" : value >= GOOD_PCT ? "ok" : value >= FAIR_PCT ? "warn" : "bad");

/** Bars of `history` (percent by part of the window, null without a call); what it shows is its label. */
export function strip(history, window) {
  const known = history.filter((value) => value !== null);
  const paths = { none: "", ok: "", warn: "", bad: "" };
  history.forEach((value, place) => {
    const high = value === null ? 2 : Math.max(LOW, (value / 100) * HIGH);
    paths[tone(value)] += `M${place + 0.1} ${HIGH}v${-high.toFixed(1)}h.8v${high.toFixed(1)}z`;
  });
  const lowest = known.length ? `lowest ${PARTS[window]} ${format.number(Math.min(...known), 1)}%` : "not asked";
  return s(
    "svg", { class: "strip", viewBox: `0 0 ${history.length} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": `Availability over ${NAMES[window]}: ${lowest}` },
    s("title", {}, `By ${PARTS[window]}, ${NAMES[window]}: ${lowest}`),
    Object.entries(paths).map(([name, d]) => (d ? s("path", { class: name, d }) : null)),
  );
}

/** A percentage as text, a dash for none. */
export const percentage = (value, decimals = 1) => h("span", {}, value === null || value === undefined ? format.NONE : `${format.number(value, decimals)}%`);
