// Who stands behind the price, with how much weight, and who is left out and why.

import * as api from "../../api.js";
import { fill, h, setText } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card, empty, every, meter } from "../../parts.js";
import { table } from "../../table.js";

const RENEWED_S = 20;
const APART_MS = 2_000; // between two asks at the least
const SUDDEN_A_MINUTE = 8; // asks because the price rests on others now; the free tier has 30 a minute for the whole page
const REASONS = {
  power_of_ten: ["Power of ten", "Its price is that of the others with the decimal point elsewhere."],
  inverted_pair: ["Inverted pair", "It gives the price of the pair turned over."],
  frozen: ["Frozen", "Its price has not moved for ten minutes while the others did."],
  swapped_asset: ["Another asset", "Its price is that of another asset."],
  outlier: ["Outlier", "It is further from the others than they are from each other."],
  stale: ["Too old", "Its newest quote is older than a price may rest on."],
  future_time: ["Ahead of time", "It dates its quote ahead of our clock."],
  no_rate: ["No rate", "No rate was measured from its currency into the asked one."],
  not_finite: ["Not a price", "What it sent is no positive number."],
  disabled: ["Switched off", "An operator has switched this provider off."],
  unproven_identity: ["Not proven", "It is not certain that its ticker means this asset."],
};

const amount = (row) => `${format.price(row.price, "")} ${row.currency}`;
const deviation = (row) => format.percent(row.deviation_pct, 3);
const breakable = (name) => name.split("_").flatMap((part, index) => (index ? ["_", h("wbr"), part] : [part]));
const named = (row) => [h("span", {}, breakable(row.provider)), row.source === row.provider ? null : h("span", { class: "soft small" }, ` of ${row.source}`)];
const COMMON = [
  { id: "provider", title: "Provider", first: true, value: (row) => row.provider, cell: named },
  { id: "kind", title: "Kind", wide: true, value: (row) => row.kind, cell: (row) => row.kind },
  { id: "symbol", title: "Pair", wide: true, value: (row) => row.symbol, cell: (row) => h("span", { class: "mono pair" }, row.symbol) },
  { id: "price", title: "Its price", numeric: true, wide: true, value: (row) => row.price, cell: amount },
  { id: "converted", title: "In USD", numeric: true, value: (row) => row.converted, cell: (row) => format.price(row.converted) },
];
const LESS = COMMON.map((column) => (column.id === "converted" ? { ...column, wide: true } : column));
const AGE = { id: "age", title: "Age", numeric: true, wide: true, value: (row) => row.age_seconds, cell: (row) => format.duration(row.age_seconds) };
const DEVIATION = { id: "deviation", title: "Off by", numeric: true, value: (row) => row.deviation_pct, cell: deviation };
const COUNTED = [...COMMON, { id: "weight", title: "Weight", numeric: true, value: (row) => row.weight, cell: (row) => row.bar }, DEVIATION, AGE];
const LEFT_OUT = [...LESS, DEVIATION, { id: "why", title: "Why", value: (row) => row.excluded ?? "", cell: reason }, AGE];
const SPARE = [...COMMON, DEVIATION, { id: "detail", title: "Instead", wide: true, cell: (row) => row.detail ?? "" }, AGE];

function reason(row) {
  const [word, sentence] = REASONS[row.excluded] ?? [row.excluded?.replaceAll("_", " ") ?? "Too few agree", row.excluded ? "" : "Not suspicious by itself, yet too few agreed with it."];
  return h("div", { class: "why" }, badge(word, row.excluded === null ? "off" : "bad"), h("span", {}, row.detail ? `${sentence} (${row.detail})` : sentence));
}

/** The card; `first` is an answer of GET /api/prices/{symbol}/sources, `told(answer)` is given each later one. */
export function sourcesCard(asset, first, signal, told) {
  const board = new Board();
  const asking = new Asking(asset, signal, (answer) => {
    board.draw(answer);
    told(answer);
  }, (error) => board.kept(error));
  board.draw(first);
  if (!first.data.length) board.node.append(empty("No provider has given a quote of this asset yet."));
  return {
    node: board.node,
    moved(row) {
      if (row.status !== board.shown.status || board.others(row.providers)) asking.soon();
    },
    /** Units of a currency for one dollar, as measured for the quotes of this asset; null where none was. */
    rate(currency) {
      if (currency === "USD") return 1;
      const row = board.shown.data.find((each) => each.currency === currency && each.converted);
      return row ? row.price / row.converted : null;
    },
  };
}

/** When to ask anew: every so often, and at once where the price says that it rests on others now. */
class Asking {
  constructor(asset, signal, told, failed) {
    Object.assign(this, { asset, signal, told, failed });
    this.askedAt = performance.now();
    this.under = false;
    this.waiting = 0;
    this.sudden = [];
    every(RENEWED_S, signal, () => this.renew());
    signal.addEventListener("abort", () => clearTimeout(this.waiting), { once: true });
  }

  async renew() {
    if (this.under || this.signal.aborted) return;
    this.under = true;
    this.askedAt = performance.now();
    try {
      this.told(await api.get(`api/prices/${encodeURIComponent(this.asset.id)}/sources`, { query: { vs: "usd" }, freshMs: 0, signal: this.signal }));
    } catch (error) {
      if (error.name !== "AbortError") this.failed(error);
    } finally {
      this.under = false;
    }
  }

  soon() {
    if (this.waiting || this.signal.aborted) return;
    const now = performance.now();
    this.sudden = this.sudden.filter((at) => now - at < 60_000);
    if (this.sudden.length >= SUDDEN_A_MINUTE) return;
    this.sudden.push(now);
    this.waiting = setTimeout(() => {
      this.waiting = 0;
      this.renew();
    }, Math.max(0, this.askedAt + APART_MS - now));
  }
}

/** What is shown: who counts, who is left out, who stands by. */
class Board {
  constructor() {
    const id = (row) => `${row.provider}|${row.symbol}`;
    this.counted = table({ caption: "Sources that count", columns: COUNTED, id, sort: { by: "weight", down: true }, nothing: "No source counts now." });
    this.out = table({ caption: "Excluded sources", columns: LEFT_OUT, id, sort: { by: "why", down: false }, nothing: "No source is excluded." });
    this.spare = table({ caption: "Further pairs of sources that count already", columns: SPARE, id, sort: { by: "provider", down: false } });
    this.said = h("p", { class: "small asset-turned", role: "status" });
    this.about = h("p", { class: "soft small" });
    this.heads = { counted: h("h3", {}), out: h("h3", {}), spare: h("summary", {}) };
    this.more = h("details", {}, this.heads.spare, h("p", { class: "soft small" }, "One source has one vote: of its pairs and hosts the one that is traded most counts, these stand by."), this.spare.node);
    this.node = card("Sources behind the price", this.about, this.said, this.heads.out, this.out.node, this.heads.counted, this.counted.node, this.more);
    this.node.classList.add("asset-sources");
    this.shown = null;
  }

  draw(answer) {
    const before = this.shown;
    this.shown = answer;
    const heaviest = Math.max(...answer.data.map((row) => row.weight), 0.0001);
    const inside = answer.data.filter((row) => row.weight > 0).map((row) => ({ ...row, bar: meter(row.weight / heaviest, format.share(row.weight)) }));
    const outside = answer.data.filter((row) => row.weight === 0 && row.excluded !== "same_source");
    const beside = answer.data.filter((row) => row.weight === 0 && row.excluded === "same_source");
    this.counted.set(inside);
    this.out.set(outside);
    this.spare.set(beside);
    setText(this.heads.counted, `${inside.length} counted`);
    setText(this.heads.out, `${outside.length} excluded`);
    setText(this.heads.spare, `${beside.length} further pairs of the same sources`);
    this.more.hidden = !beside.length;
    fill(this.about, answer.dispersion_pct === null ? null : `They lie within ${format.number(answer.dispersion_pct, 3)}% of each other. `,
      "A provider's weight grows with the volume it trades and with how new its quote is; no minority can move the price. ", h("a", { href: "guide/pricing" }, "How the price is decided"));
    if (before) this.tell(before, outside);
  }

  // What is shown stays: it is true as of its age, and the next turn asks again.
  kept(error) {
    fill(this.about, badge("not renewed", "warn"), ` ${error.message}`);
  }

  // What turned bad or good again, in words: also for who does not see the row move.
  tell(before, outside) {
    const stood = new Set(before.data.filter((row) => row.weight > 0).map((row) => row.provider));
    const lost = outside.filter((row) => stood.has(row.provider) && !this.shown.data.some((other) => other.source === row.source && other.weight > 0));
    const now = this.said.textContent;
    if (lost.length) setText(this.said, `Now excluded: ${lost.map((row) => `${row.provider} (${(REASONS[row.excluded]?.[0] ?? "too few agree").toLowerCase()})`).join(", ")}.`);
    else if (now && outside.every((row) => !now.includes(`${row.provider} (`))) setText(this.said, "");
  }

  /** Whether these are others than those shown. Two hosts of one venue take turns all the time: only another set of independent sources is news. */
  others(providers) {
    const unit = new Map(this.shown.data.map((row) => [row.provider, row.source]));
    const now = new Set(providers.map((name) => unit.get(name) ?? name));
    const then = new Set(this.shown.data.filter((row) => row.weight > 0).map((row) => row.source));
    return now.size !== then.size || [...now].some((name) => !then.has(name));
  }
}
