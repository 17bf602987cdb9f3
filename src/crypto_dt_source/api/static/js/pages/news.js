// News and sentiment: stories with what a model makes of each, how the market feels, and a box to try the models.

import * as api from "../api.js";
import { h, fill, outward, setText } from "../dom.js";
import * as format from "../format.js";
import { ago, badge, card, choice, empty, failure, field, gauge, heading, load } from "../parts.js";
import * as stream from "../stream.js";

const PAGE_SIZE = 25;
const TYPED_MS = 500;
const SHOWN = 200; // stories kept on the page, those that come live included
const TONES = { bullish: "ok", bearish: "bad", neutral: "off" };

export const title = () => "News & sentiment";

/** What a model made of a text: its word, how sure it is, and which model. */
export const verdict = (sentiment) =>
  sentiment?.label
    ? badge(`${sentiment.label} ${format.share(sentiment.confidence, 0)}`, TONES[sentiment.label] ?? "", `Model ${sentiment.model ?? ""} ${sentiment.revision ?? ""}`.trim())
    : badge("not scored", "off", "No model has read this yet.");

/** One story as a list item. */
export function story(row) {
  const others = (row.sources ?? []).length - 1;
  return h("li", { dataset: { id: row.id } },
    h("h3", {}, outward(row.url, row.title)),
    h("div", { class: "story-line" },
      h("span", {}, row.source_name ?? row.source),
      row.dated === false ? h("span", {}, "undated") : ago(row.published_at),
      verdict(row.sentiment),
      (row.assets ?? []).slice(0, 6).map((asset) => h("a", { href: `#/asset/${encodeURIComponent(asset.symbol)}` }, asset.symbol)),
      others > 0 ? h("span", {}, `and ${others} more ${others === 1 ? "source" : "sources"}`) : null),
    row.summary ? h("p", {}, row.summary) : null);
}

export async function show(root, { signal, query, go }) {
  const left = h("div");
  const right = h("div");
  root.append(heading("News & sentiment"), h("div", { class: "two" }, left, right));
  stories(left, signal, query, go);
  mood(right, signal);
  overTime(right, signal, query, go);
  tryBox(right, signal);
}

function stories(node, signal, query, go) {
  const list = h("ul", { class: "stories", "aria-label": "Stories, newest first" });
  const holder = h("div", {}, list);
  const more = h("button", { type: "button", hidden: true }, "Older stories");
  const fresh = h("button", { type: "button", class: "primary", hidden: true, "aria-live": "polite" });
  const about = h("span", { class: "soft" });
  const [search, symbol] = [
    field("Search", { type: "search", name: "q", value: query.get("q") ?? "", placeholder: "Words in a story" }),
    field("Coin", { name: "symbol", value: query.get("symbol") ?? "", placeholder: "BTC", size: 8, maxlength: 32 }),
  ];
  const feeling = h("select", { name: "sentiment" }, [["", "all"], ["bullish", "bullish"], ["neutral", "neutral"], ["bearish", "bearish"]].map(([value, text]) =>
    h("option", { value, selected: value === (query.get("sentiment") ?? "") }, text)));
  node.append(card("Stories", h("div", { class: "filters" }, search, symbol, h("label", { class: "field" }, h("span", {}, "Sentiment"), feeling), about), fresh, holder, more));
  let page = 1;
  let waiting = [];

  function chosen() {
    return { q: search.querySelector("input").value.trim(), symbol: symbol.querySelector("input").value.trim(), sentiment: feeling.value };
  }

  async function fetched(number) {
    const answer = await api.get("api/news", { query: { ...chosen(), page: number, page_size: PAGE_SIZE }, freshMs: 15_000, signal });
    page = number;
    more.hidden = answer.page?.next === null || answer.page?.next === undefined || list.childElementCount + answer.data.length >= SHOWN;
    fill(about, answer.meta.fetched_at ? ["Feeds read ", ago(answer.meta.fetched_at)] : []);
    const known = new Set([...list.children].map((each) => each.dataset.id));
    const rows = answer.data.filter((row) => number === 1 || !known.has(row.id)).map(story);
    if (number === 1) fill(list, rows.length ? rows : empty("No story matches."));
    else list.append(...rows);
    return list;
  }

  const first = () => load(holder, signal, () => fetched(1), 12);
  let timer = 0;
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      for (const [name, value] of Object.entries(chosen())) {
        if (value) query.set(name, value);
        else query.delete(name);
      }
      go(`#/news${query.size ? `?${query}` : ""}`, { replace: true });
      waiting = [];
      fresh.hidden = true;
      first();
    }, TYPED_MS);
  };
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  for (const input of [search, symbol, feeling]) input.addEventListener("input", changed);
  more.addEventListener("click", async () => {
    more.disabled = true;
    try {
      await fetched(page + 1);
    } catch (error) {
      if (error.name !== "AbortError") more.before(failure(error));
    } finally {
      more.disabled = false;
    }
  });
  // A story that pushes the list down while somebody reads is no service: they wait behind a button.
  fresh.addEventListener("click", () => {
    list.prepend(...waiting.map(story).reverse());
    while (list.childElementCount > SHOWN) list.lastElementChild.remove();
    waiting = [];
    fresh.hidden = true;
  });
  const stop = stream.watch("news", null, (frame) => {
    if (frame.type !== "update" || !frame.data?.id || Object.values(chosen()).some(Boolean)) return;
    if (list.querySelector(`[data-id="${CSS.escape(frame.data.id)}"]`) || waiting.some((row) => row.id === frame.data.id)) return;
    waiting = [...waiting, frame.data].slice(-SHOWN);
    setText(fresh, `${waiting.length} new ${waiting.length === 1 ? "story" : "stories"}`);
    fresh.hidden = false;
  });
  signal.addEventListener("abort", stop, { once: true });
  first();
}

function mood(node, signal) {
  const body = h("div");
  const feeling = h("div");
  node.append(card("Fear & greed", body), card("Sentiment of the news", feeling));
  const draw = (data) => {
    const index = data.fear_greed_index;
    fill(body, index?.value === null || index?.value === undefined
      ? empty("No upstream has delivered the index yet.")
      : [gauge(index.value, index.classification, "Fear and greed"), h("p", { class: "soft small" }, `${index.index}, ${index.date} `, index.stale ? badge("stale", "warn") : null)]);
    const all = data.overall_sentiment;
    fill(feeling, !all?.items ? empty(all?.enabled === false ? "Sentiment analysis is switched off on this server." : "No story of the last day has been scored yet.") : [
      h("p", {}, badge(all.label, TONES[all.label]), ` ${format.number(all.score, 2)} on a scale from −1 to 1`),
      h("div", { class: "split", role: "img", "aria-label": `${all.bullish} bullish, ${all.neutral} neutral, ${all.bearish} bearish` },
        ["bullish", "neutral", "bearish"].map((name) => h("div", { class: name, style: { width: `${(all[name] / all.items) * 100}%` } }))),
      h("p", { class: "soft small" }, `${all.bullish} bullish, ${all.neutral} neutral, ${all.bearish} bearish; ${all.items} stories of ${all.sources} sources in ${all.window_hours} h, weighed by ${all.method}.`),
    ]);
  };
  const ask = () => load(body, signal, async () => draw(await api.get("api/sentiment", { freshMs: 30_000, signal })), 6);
  ask();
  // The stream says that it moved; the route has the counts behind it.
  const stop = stream.watch("sentiment", null, (frame) => frame.type === "update" && ask());
  signal.addEventListener("abort", stop, { once: true });
}

const DAYS = [7, 30, 90];

function overTime(node, signal, query, go) {
  const asked = Number(query.get("days"));
  let days = DAYS.includes(asked) ? asked : DAYS[0];
  const said = h("p", { class: "soft small", role: "status" });
  const charts = [
    { path: "api/sentiment/history", value: (row) => row.score, label: "Sentiment of the news by day, from minus one to one", options: {} },
    { path: "api/sentiment/fear-greed", value: (row) => row.value, label: "Fear and greed by day, from 0 to 100", options: { area: true } },
  ].map((each) => ({ ...each, holder: h("div", {}, h("div", { class: "chart low" })), made: null }));
  for (const each of charts) signal.addEventListener("abort", () => each.made?.stop(), { once: true });
  const draw = (each) => load(each.holder, signal, async () => {
    const mine = days;
    const answer = await api.get(each.path, { query: { days: mine }, freshMs: 300_000, signal });
    const { line } = await import("../chart.js");
    if (signal.aborted || mine !== days) return undefined;
    const limit = answer.meta.tier_limit;
    if (limit) setText(said, `The ${limit.tier} tier gives ${limit.given} days. A key may reach further.`);
    const points = answer.data.filter((row) => Number.isFinite(each.value(row))).map((row) => ({ time: row.date, value: each.value(row) }));
    each.made?.stop();
    each.made = null;
    if (points.length < 2) return empty("Fewer than two days are stored so far.");
    const place = h("div", { class: "chart low" });
    fill(each.holder, place);
    const made = await line(place, each.label, each.options);
    if (signal.aborted || mine !== days) {
      made.stop();
      return undefined;
    }
    each.made = made;
    made.set(points);
    return undefined;
  }, 8);
  const steps = choice("Days", DAYS.map((each) => [each, `${each} d`]), days, (value) => {
    days = value;
    query.set("days", value);
    go(`#/news?${query}`, { replace: true });
    setText(said, "");
    charts.forEach(draw);
  });
  node.append(card("Over time", steps, h("h3", {}, "Sentiment by day"), charts[0].holder, h("h3", {}, "Fear & greed by day"), charts[1].holder, said));
  charts.forEach(draw);
}

function tryBox(node, signal) {
  const text = h("textarea", { name: "text", rows: 4, maxlength: 10_000, required: true, placeholder: "Bitcoin climbs to a record as inflows surge" });
  const result = h("div", { class: "verdict", "aria-live": "polite" });
  const button = h("button", { type: "submit", class: "primary" }, "Score it");
  const form = h("form", { onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const answer = await api.change("POST", "api/analyze/text", { body: { text: text.value }, signal });
      fill(result, h("p", {}, verdict({ ...answer, label: answer.sentiment, model: answer.meta?.model, revision: answer.meta?.revision })),
        Object.entries(answer.scores ?? {}).map(([name, score]) => h("div", { class: "row small" }, h("span", { class: "soft" }, name), format.share(score))));
    } catch (error) {
      if (error.name !== "AbortError") fill(result, failure(error));
    } finally {
      button.disabled = false;
    }
  } }, h("label", { class: "field" }, h("span", {}, "A headline or a sentence, in English"), text), h("div", { class: "row" }, button), result);
  node.append(card("Try the model", form));
}
