// One asset: its price live, its candles, who says so and who is not believed, its book, its trades, what is written of it.

import * as api from "../api.js";
import { fill, h, setText } from "../dom.js";
import * as format from "../format.js";
import { badge, change, heading, load, loading, stateBadge } from "../parts.js";
import * as stream from "../stream.js";
import { coinCard, moodCard } from "./asset/about.js";
import { bookCard } from "./asset/book.js";
import { candleCard } from "./asset/candles.js";
import { sourcesCard } from "./asset/sources.js";
import { tradesCard } from "./asset/trades.js";

const FLASH_MS = 600;
const HEARD_MS = 10_000; // a price of the stream is newer than any answer for so long
const MEANING = {
  ok: "A majority of the independent sources agree, and this is their weighted median.",
  single_source: "One fresh source alone gives a price. It is shown as it is: nothing confirms it.",
  no_consensus: "The sources disagree and no majority of them lies together, so no price is given.",
  no_data: "No source has a quote that is fresh enough to count.",
};

export const title = ({ rest }) => rest[0] || "Asset";

export async function show(root, { rest, query, signal, go }) {
  const asked = rest[0] ?? "";
  if (!asked) {
    fill(root, heading("No asset chosen"), h("p", {}, h("a", { href: "#/" }, "Choose one in the markets"), "."));
    return;
  }
  root.append(loading(16));
  await load(root, signal, () => page(asked, { query, signal, go }), 16);
}

async function page(asked, at) {
  let found = null;
  try {
    found = await api.get(`api/prices/${encodeURIComponent(asked)}/sources`, { query: { vs: "usd" }, freshMs: 0, signal: at.signal });
  } catch (error) {
    if (error.code === "unknown_symbol") return unknown(asked, error);
    throw error;
  }
  const asset = { ask: asked, symbol: found.symbol, id: found.id };
  const head = header(asset, found);
  const sources = sourcesCard(asset, found, at.signal, head.asked);
  const candles = candleCard(asset, sources.rate, at);
  const trades = tradesCard(asset, at.signal);
  const coin = coinCard(asset, at.signal, head.named);
  const bottom = h("div", { class: "asset-columns" }, coin, moodCard(asset, at.signal));
  follow(asset, at.signal, {
    price(row) {
      head.moved(row);
      sources.moved(row);
      candles.moved(row);
    },
    named(name) {
      trades.follow(name);
      candles.follow(name);
    },
  });
  const ticking = setInterval(head.tick, 1000);
  at.signal.addEventListener("abort", () => clearInterval(ticking), { once: true });
  const middle = h("div", { class: "asset-columns" }, bookCard(asset, at.signal), trades.node);
  return h("div", {}, head.node, candles.node, sources.node, middle, bottom);
}

function unknown(asked, error) {
  const near = error.details.did_you_mean ?? [];
  return h("div", {}, heading(`${asked.slice(0, 64)} is not known`), h("p", {}, error.message),
    near.length ? h("ul", { class: "near" }, near.map((name) => h("li", {}, h("a", { href: `#/asset/${encodeURIComponent(name)}` }, name)))) : null,
    h("p", {}, h("a", { href: "#/" }, "Search the markets")));
}

/**
 * Follows the price. On the stream an asset goes by its ticker, or by its id where a larger one has the ticker: which of
 * both it is, the first frame tells.
 */
function follow(asset, signal, { price, named }) {
  let known = false;
  let stop = () => {};
  const listen = (name) => {
    stop();
    stop = stream.watch("prices", [name], ({ data }) => {
      if (!data) return;
      if (data.id !== asset.id) {
        if (name !== asset.id) queueMicrotask(() => !signal.aborted && listen(asset.id));
        return;
      }
      if (!known) {
        known = true;
        named(name);
      }
      price(data);
    });
  };
  listen(asset.symbol);
  signal.addEventListener("abort", () => stop(), { once: true });
}

/** The name, the price with its state, the figures. Its `moved`, `asked` and `named` take a frame, an answer, a coin. */
function header(asset, found) {
  const parts = {
    name: h("span", {}, asset.symbol), value: h("strong", { class: "price asset-price", "data-testid": "price" }, format.NONE),
    day: h("span", { class: "asset-change" }), state: h("span", { class: "row" }), age: h("span", { class: "soft" }), width: h("span", { class: "small" }), venues: h("span", { class: "soft small" }),
    figures: Object.fromEntries(["Confidence", "Sources", "Volume 24 h", "Market cap"].map((each) => [each, h("strong", {}, format.NONE)])),
  };
  let row = { ...found, stale: found.meta.stale, as_of: found.meta.fetched_at, change_24h_pct: null, volume_24h: null };
  let heard = -HEARD_MS;
  const take = (next) => {
    row = next;
    write(parts, row);
  };
  take(row);
  return {
    node: frame(asset, parts, Object.values(found.meta.ambiguous ?? {}).flat()),
    tick: () => aged(parts, row),
    moved(next) {
      const before = row.price;
      heard = performance.now();
      setText(parts.venues, "on the venues read");
      setText(parts.name, next.name || asset.symbol);
      take(next);
      if (before !== null && next.price !== null && before !== next.price) flash(parts.value, next.price > before);
    },
    asked({ price, status, confidence, sources, meta }) {
      if (performance.now() - heard >= HEARD_MS) take({ ...row, price, status, confidence, sources, stale: meta.stale, as_of: meta.fetched_at });
    },
    named(coin) {
      setText(parts.name, coin.name);
      setText(parts.figures["Market cap"], format.money(coin.market_cap));
      document.title = `${coin.name} (${coin.symbol}) · Crypto-DT-Source`;
      if (row.change_24h_pct === null) take({ ...row, change_24h_pct: coin.change_24h_pct, volume_24h: coin.volume_24h });
    },
  };
}

function frame(asset, parts, others) {
  const tiles = Object.entries(parts.figures).map(([label, node]) => h("div", { class: "tile" }, h("span", { class: "soft small" }, label), node, label === "Confidence" ? parts.width : label === "Volume 24 h" ? parts.venues : null));
  return h("div", { class: "asset-head" },
    heading([parts.name, " ", h("span", { class: "ticker" }, asset.symbol)], parts.age),
    h("p", { class: "asset-now" }, parts.value, parts.day), h("div", { class: "asset-state" }, parts.state),
    others.length ? h("p", { class: "small" }, `${asset.symbol} is the ticker of others too: `, others.flatMap((id, index) => [index ? ", " : "", h("a", { href: `#/asset/${encodeURIComponent(id)}` }, id)])) : null,
    h("div", { class: "tiles" }, tiles));
}

function write(parts, row) {
  const { value, day, state, figures, width } = parts;
  setText(value, format.price(row.price));
  fill(day, row.change_24h_pct === null ? null : [change(row.change_24h_pct), h("span", { class: "soft small" }, " in 24 h")]);
  if (state.dataset.shown !== `${row.status}${row.stale}`) {
    state.dataset.shown = `${row.status}${row.stale}`;
    fill(state, stateBadge(row.status), row.stale ? badge("stale", "warn") : null, h("span", { class: "soft small" }, MEANING[row.status] ?? "", row.stale ? " No upstream has renewed it in time; it is the last that is known." : ""));
  }
  const known = row.confidence !== null && row.price;
  setText(figures.Confidence, known ? `±${row.confidence >= 1 ? `$${format.number(row.confidence)}` : format.price(row.confidence, "$", 3)}` : format.NONE);
  setText(width, known ? `${format.number((row.confidence / row.price) * 100, 3)}%` : "");
  setText(figures.Sources, format.number(row.sources, 0));
  setText(figures["Volume 24 h"], format.money(row.volume_24h));
  aged(parts, row);
}

const aged = ({ age }, row) => setText(age, row.as_of ? `Newest quote ${format.ago(row.as_of)}` : "");

function flash(node, up) {
  const tone = up ? "flash-up" : "flash-down";
  node.classList.add(tone);
  setTimeout(() => node.classList.remove(tone), FLASH_MS);
}
