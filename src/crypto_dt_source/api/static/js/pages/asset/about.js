// What is known of a coin, and what is written of it.

import * as api from "../../api.js";
import { h, outward } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card, empty, every, facts, load, meter, provenance } from "../../parts.js";

const RENEWED_S = 120;
const STORIES = 8;
const LONG = 400;
const TONE = { bullish: "ok", bearish: "bad", neutral: "" };

/** The card of the coin's facts; `named(coin)` is called once they are there. */
export function coinCard(asset, signal, named) {
  const area = h("div", { class: "coin-facts" });
  load(area, signal, async () => {
    try {
      const { data, meta } = await api.get(`api/coins/${encodeURIComponent(asset.id)}`, { freshMs: 60_000, signal });
      named(data);
      return described(data, meta);
    } catch (error) {
      if (error.code !== "not_found" && error.code !== "all_providers_failed") throw error;
      return empty(`No list of coins tells more of ${asset.symbol}. ${error.message}`);
    }
  }, 12);
  return card("About the coin", area);
}

function described(coin, meta) {
  const units = (value) => (value === null ? format.NONE : `${format.compact(value)} ${coin.symbol}`);
  const once = (value, time) => (value === null ? format.NONE : [format.price(value), time ? h("span", { class: "soft small" }, ` ${format.day(time)}`) : null]);
  const contracts = Object.entries(coin.contracts ?? {}).slice(0, 20);
  return [
    facts([
      ["Rank", coin.rank === null ? format.NONE : `#${coin.rank}`],
      ["Market cap", format.money(coin.market_cap)],
      ["Volume 24 h", format.money(coin.volume_24h)],
      ["Circulating", units(coin.circulating_supply)],
      ["Total supply", units(coin.total_supply)],
      ["Most there can be", units(coin.max_supply)],
      ["Highest price ever", once(coin.ath, coin.ath_date)],
      ["Lowest price ever", once(coin.atl, coin.atl_date)],
      ["First block", coin.genesis_date ?? format.NONE],
      ["Hashing", coin.hashing_algorithm ?? format.NONE],
      ["Homepage", coin.homepage ? outward(coin.homepage, coin.homepage.replace(/^https?:\/\//, "").replace(/\/$/, "").slice(0, 60)) : format.NONE],
      ["Id", h("code", {}, coin.id)],
    ]),
    coin.categories?.length ? h("p", { class: "row badges" }, coin.categories.slice(0, 12).map((name) => badge(name))) : null,
    coin.description ? story(coin.description) : null,
    coin.former_tickers?.length ? h("p", { class: "small soft" }, `Formerly ${coin.former_tickers.join(", ")}.`) : null,
    contracts.length ? [h("h3", {}, "Contracts"), h("dl", { class: "contracts" }, contracts.map(([chain, address]) => h("div", {}, h("dt", {}, chain), h("dd", { class: "mono" }, String(address)))))] : null,
    h("p", { class: "small" }, provenance(meta)),
  ];
}

function story(text) {
  const paragraphs = text.split(/\n+/).filter((part) => part.trim()).map((part) => h("p", {}, part));
  if (text.length <= LONG) return h("div", { class: "description" }, paragraphs);
  return h("details", { class: "description" }, h("summary", {}, `${text.slice(0, 160).trim()}…`), paragraphs);
}

/** The card of the news that name the asset and of how they feel. */
export function moodCard(asset, signal) {
  const mood = h("div", { class: "mood" });
  const area = h("div", { class: "stories" });
  const felt = () => load(mood, signal, async () => feeling(await api.get(`api/sentiment/${encodeURIComponent(asset.id)}`, { freshMs: RENEWED_S * 500, signal })), 3);
  const written = () => load(area, signal, async () => {
    const { data, meta } = await api.get("api/news", { query: { symbol: asset.id, page_size: STORIES }, freshMs: RENEWED_S * 500, signal });
    if (!data.length) return empty(`No story of the feeds that are read names ${asset.symbol}.`);
    return [h("ul", { class: "story-list" }, data.map(told)), h("p", { class: "small" }, provenance(meta))];
  }, 10);
  felt();
  written();
  every(RENEWED_S, signal, () => {
    felt();
    written();
  });
  return card("News and sentiment", mood, area);
}

function feeling({ overall_sentiment: all }) {
  if (!all.enabled) return empty("Sentiment is switched off on this server (ENABLE_SENTIMENT_ANALYSIS).");
  if (!all.items) return empty(`No story of the last ${all.window_hours ?? 24} hours names it, so there is no sentiment.`);
  const tally = [["bullish", all.bullish, ""], ["neutral", all.neutral, "warn"], ["bearish", all.bearish, "bad"]];
  return [
    h("p", { class: "row" }, badge(all.label ?? "unknown", TONE[all.label] ?? ""), h("strong", {}, all.score === null ? format.NONE : `${all.score > 0 ? "+" : ""}${format.number(all.score)}`),
      h("span", { class: "soft small" }, `from −1 to +1 · ${all.items} stories of ${all.sources} sources in ${all.window_hours} hours · by ${(all.models ?? []).map((name) => name.split("@")[0]).join(", ") || "no model"}`)),
    h("div", { class: "tally" }, tally.map(([word, count, tone]) => h("div", {}, h("span", { class: "small" }, word), meter(count / all.items, String(count), tone)))),
  ];
}

function told(item) {
  const others = item.sources.length - 1;
  const label = item.sentiment?.label;
  return h("li", {}, h("div", {}, outward(item.url, item.title)),
    h("div", { class: "small soft row" }, label ? badge(label, TONE[label] ?? "") : badge("not scored"), `${item.source_name} · ${format.ago(item.published_at)}`, others > 0 ? ` · told by ${others} more` : null));
}
