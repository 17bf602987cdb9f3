// What a route answered: status, time, size, the headers that mean something, the body in a bounded size.

import { fill, h } from "../../dom.js";
import * as format from "../../format.js";
import { badge, failure, loading } from "../../parts.js";

const SHOWN = 40_000; // characters
const HEADERS = [
  "RateLimit", "RateLimit-Policy", "Retry-After", "ETag", "Age", "Cache-Control", "Content-Type", "Content-Disposition", "X-Mode", "X-Source", "X-Pair", "X-Tier-Limit", "X-Request-Id",
];
const WRITTEN = /json|^text\/|javascript/;

/** `{node, wait(), show(answer), fail(error)}`. */
export function answerView() {
  const node = h("section", { class: "answer", "aria-label": "Answer" }, h("p", { class: "soft" }, "The answer will be here."));
  return {
    node,
    wait: () => fill(node, loading(6)),
    fail: (error) => fill(node, failure(error)),
    show(answer) {
      fill(node, headline(answer), headers(answer), body(answer));
    },
  };
}

function headline({ status, text, ms }) {
  const tone = status < 300 ? "ok" : status < 500 ? "warn" : "bad";
  return h("p", { class: "row", role: "status" }, badge(String(status), tone), `${format.number(ms, 0)} ms`, h("span", { class: "soft" }, format.bytes(new Blob([text]).size)));
}

function headers({ headers: given }) {
  const known = HEADERS.filter((name) => given.get(name) !== null);
  return h("dl", { class: "headers mono" }, known.map((name) => h("div", {}, h("dt", {}, name), h("dd", {}, given.get(name)))));
}

function body({ headers: given, text }) {
  const type = given.get("content-type") ?? "";
  if (text && type && !WRITTEN.test(type)) return h("p", {}, `A file of the type ${type}: nothing to read here. Save it with the command above and curl's -o.`);
  let written = text;
  try {
    if (type.includes("json")) written = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Shown as it came.
  }
  const cut = written.length > SHOWN;
  return [
    h("pre", { class: "out", tabindex: "0", "aria-label": "Body of the answer" }, h("code", {}, cut ? written.slice(0, SHOWN) : written)),
    cut ? h("p", { class: "soft small" }, `The first ${format.number(SHOWN, 0)} of ${format.number(written.length, 0)} characters.`) : null,
  ];
}
