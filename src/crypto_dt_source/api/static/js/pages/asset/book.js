// The order book of the venue that answers first: how much is offered how far from the middle, and the best levels.

import * as api from "../../api.js";
import { fill, h, s } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card, empty, every, facts, load, loading, provenance } from "../../parts.js";

const RENEWED_S = 15;
const SOON_MS = 2_000; // an answer that was stale is being renewed by the server meanwhile
const DEPTH = 50;
const LEVELS = 8;
const [WIDE, HIGH] = [600, 160];

/** The card; renewed while the page is looked at. */
export function bookCard(asset, signal) {
  const area = h("div", { class: "book" }, loading(12));
  const said = h("p", { class: "soft small" });
  const node = card("Order book", area, said);
  const ask = (freshMs) => api.get("api/orderbook", { query: { symbol: asset.id, depth: DEPTH }, freshMs, signal });
  let there = false;
  const first = () => load(area, signal, async () => {
    try {
      const book = await ask(0);
      there = true;
      if (book.meta.stale) setTimeout(() => signal.aborted || renew(), SOON_MS);
      return drawn(book);
    } catch (error) {
      if (error.code !== "all_providers_failed" && error.code !== "no_data_yet") throw error;
      return empty(`No venue answers with an order book of ${asset.symbol} now. ${error.message}`);
    }
  });
  async function renew() {
    if (!there) return void first();
    try {
      fill(area, drawn(await ask(0)));
      fill(said);
    } catch (error) {
      if (error.name !== "AbortError") fill(said, badge("not renewed", "warn"), ` ${error.message}`);
    }
  }
  first();
  every(RENEWED_S, signal, renew);
  return node;
}

/** Levels with the sum of the sizes up to each. */
function summed(levels) {
  let sum = 0;
  return levels.map((level) => ({ ...level, sum: (sum += level.size) }));
}

function drawn(book) {
  const [bids, asks] = [summed(book.bids), summed(book.asks)];
  if (!bids.length && !asks.length) return empty(`${book.provider} has an empty book of ${book.pair}.`);
  const [base, quote] = book.pair.split("/");
  const [bid, ask] = [bids[0]?.price ?? null, asks[0]?.price ?? null];
  const middle = bid !== null && ask !== null ? (bid + ask) / 2 : null;
  const spread = middle === null ? null : ask - bid;
  return [
    facts([
      ["Spread", spread === null ? format.NONE : `${format.price(spread, "")} ${quote} (${format.percent((spread / middle) * 100, 3).replace("+", "")})`],
      ["Middle", `${format.price(middle, "")} ${quote}`],
    ]),
    middle === null ? null : depth(bids, asks, middle, base),
    h("div", { class: "levels" }, levels("Bids", bids, base, quote), levels("Asks", asks, base, quote)),
    h("p", { class: "small" }, badge(`${book.provider} ${book.pair}`), " ", provenance(book.meta)),
  ];
}

function depth(bids, asks, middle, base) {
  const reach = Math.max(middle - (bids.at(-1)?.price ?? middle), (asks.at(-1)?.price ?? middle) - middle) || middle * 0.001;
  const most = Math.max(bids.at(-1)?.sum ?? 0, asks.at(-1)?.sum ?? 0) || 1;
  const x = (price) => ((price - middle + reach) / (2 * reach)) * WIDE;
  const y = (sum) => HIGH - (sum / most) * (HIGH - 8);
  const side = (rows, tone) => {
    const points = [];
    let before = HIGH;
    for (const row of rows) {
      points.push(`${x(row.price).toFixed(1)},${before.toFixed(1)}`, `${x(row.price).toFixed(1)},${y(row.sum).toFixed(1)}`);
      before = y(row.sum);
    }
    const [first, last] = [x(rows[0].price).toFixed(1), x(rows.at(-1).price).toFixed(1)];
    return s("polygon", { class: `side ${tone}`, points: `${first},${HIGH} ${points.join(" ")} ${last},${HIGH}`, "vector-effect": "non-scaling-stroke" });
  };
  const total = (rows) => `${format.compact(rows.at(-1)?.sum ?? 0)} ${base}`;
  const off = format.percent((reach / middle) * 100).replace("+", "");
  return h("figure", { class: "depth" },
    s("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": `Depth: ${total(bids)} bid and ${total(asks)} asked within ${off} of the middle` },
      bids.length ? side(bids, "bid") : null, asks.length ? side(asks, "ask") : null,
      s("line", { x1: WIDE / 2, x2: WIDE / 2, y1: 0, y2: HIGH, class: "middle", "vector-effect": "non-scaling-stroke" })),
    h("figcaption", { class: "small soft" }, h("span", {}, `${format.price(middle - reach, "")} · ${total(bids)} bid`), h("span", {}, `${total(asks)} asked · ${format.price(middle + reach, "")}`)));
}

function levels(name, rows, base, quote) {
  const most = Math.max(...rows.slice(0, LEVELS).map((row) => row.size), 0) || 1;
  return h("table", { class: `side-${name.toLowerCase()}` }, h("caption", { class: "small" }, name),
    h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "num" }, `Price, ${quote}`), h("th", { scope: "col", class: "num" }, `Size, ${base}`))),
    h("tbody", {}, rows.slice(0, LEVELS).map((row) => h("tr", {}, h("td", { class: "num" }, format.price(row.price, "")),
      h("td", { class: "num sized", style: { "--part": `${((row.size / most) * 100).toFixed(1)}%` } }, format.number(row.size, row.size >= 100 ? 1 : 4))))));
}
