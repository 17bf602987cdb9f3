// The candles of an asset as a chart: every interval, older ones as one goes back, the running one as it moves, gaps left empty.

import { candles } from "../../chart.js";
import { fill, h } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card, choice, empty, every, load, provenance } from "../../parts.js";
import * as stream from "../../stream.js";
import { limited, newest, Series, STEPS } from "./series.js";

const SECOND = 1000;
const EDGE = 30; // candles left of sight from which on older ones are fetched
const RENEWED_S = 30;
const PAINTED_MS = 250;
const SOON_MS = 2_000; // an answer that was stale is being renewed by the server meanwhile
const [NEAR, FAR] = [10, 4000]; // candles in sight

/** The card. `rate(currency)`: units of it for a dollar, or null. */
export function candleCard(asset, rate, { signal, query, go }) {
  const asked = Object.hasOwn(STEPS, query.get("interval") ?? "") ? query.get("interval") : "1h";
  const plot = new Plot(asset, rate, signal);
  const steps = choice("Length of a candle", Object.keys(STEPS).map((each) => [each, each]), asked, (interval) => {
    query.set("interval", interval);
    go(`#/asset/${encodeURIComponent(asset.ask)}?${query}`, { replace: true });
    plot.open(interval);
  });
  const move = (text, label, act) => h("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick: act }, text);
  const moves = h("div", { class: "row", role: "group", "aria-label": "Part of the chart in sight" },
    move("←", "Earlier", () => plot.pan(-0.5)), move("→", "Later", () => plot.pan(0.5)),
    move("+", "Zoom in", () => plot.zoom(0.6)), move("−", "Zoom out", () => plot.zoom(1.7)), move("⇥", "To the newest", () => plot.toNewest()));
  const node = card("Candles", h("div", { class: "candle-tools" }, steps, moves), plot.node);
  plot.open(asked);
  return { node, moved: (point) => plot.moved(point), follow: (name) => plot.follow(name) };
}

class Plot {
  constructor(asset, rate, signal) {
    Object.assign(this, { asset, rate, signal });
    this.area = h("div", { class: "chart candle-chart" });
    this.cover = h("div", { class: "candle-cover" });
    this.legend = h("p", { class: "candle-legend mono" });
    this.note = h("p", { class: "soft small candle-note" });
    this.node = h("div", {}, this.legend, h("div", { class: "candle-frame" }, this.area, this.cover), this.note);
    this.held = null; // the chart
    this.series = null;
    this.turn = null;
    this.hovered = null;
    this.live = null; // what moves the running candle: "stream", "price" or nothing yet
    this.name = null; // of the asset, on the stream
    this.painted = 0;
    this.unfollow = () => {};
    signal.addEventListener("abort", () => this.unfollow(), { once: true });
    every(RENEWED_S, signal, () => this.renew());
  }

  /** Shows another interval. */
  async open(interval) {
    this.turn?.abort();
    this.turn = new AbortController();
    const mine = AbortSignal.any([this.signal, this.turn.signal]);
    this.series = null;
    this.hovered = null;
    this.live = null;
    this.unfollow();
    fill(this.cover);
    this.cover.hidden = false;
    this.area.classList.add("waiting");
    await load(this.cover, mine, async () => {
      const [answer] = await Promise.all([newest(this.asset, interval, mine), this.drawn()]);
      if (mine.aborted) return undefined;
      if (!answer.data.length) return empty(answer.meta.tier_limit ? limited(answer.meta.tier_limit) : "No venue has candles of this asset.");
      this.series = new Series(this.asset, interval, answer, mine);
      this.held.set(this.series.all());
      this.toNewest();
      this.follow(this.name);
      this.area.classList.remove("waiting");
      this.cover.hidden = true;
      this.write();
      if (answer.meta.stale) setTimeout(() => mine.aborted || this.renew(), SOON_MS);
      return [];
    }, 10);
  }

  async drawn() {
    if (this.held) return;
    const made = await candles(this.area, `Candles of ${this.asset.symbol}; the line above has the newest one in words.`);
    if (this.signal.aborted || this.held) {
      made.stop();
      return;
    }
    this.held = made;
    this.signal.addEventListener("abort", () => made.stop(), { once: true });
    made.chart.subscribeCrosshairMove((at) => {
      this.hovered = at.time === undefined ? null : at.time * SECOND;
      this.tell();
    });
    made.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => range && range.from < EDGE && this.back());
  }

  // Older ones as one goes to the left.
  async back() {
    const wanted = this.series;
    if (!wanted) return;
    const came = await wanted.older();
    if (wanted !== this.series || wanted.signal.aborted) return;
    if (came) this.held.set(wanted.all());
    this.write();
  }

  async renew() {
    const wanted = this.series;
    if (!wanted) return;
    const rows = await wanted.newer();
    if (wanted !== this.series || wanted.signal.aborted) return;
    if (rows === null) return void this.open(wanted.interval);
    for (const row of rows) this.held.update(row);
    this.write();
  }

  put(row, live) {
    if (!this.series.put(row)) return;
    this.held.update(row);
    if (this.live === live) this.tell();
    else {
      this.live = live;
      this.write();
    }
  }

  /** A price of the stream moves the running candle, in the currency of its pair. */
  moved(point) {
    if (!this.series || this.live === "stream" || point.price === null || point.stale || performance.now() - this.painted < PAINTED_MS) return;
    const per = this.rate(this.series.currency);
    const row = per === null ? null : this.series.touched(point.price * per, Date.parse(point.as_of));
    if (row === null) return;
    this.painted = performance.now();
    this.put(row, "price");
  }

  /** Follows the candles of the stream, where they are of the interval that is shown. */
  follow(name) {
    this.name = name;
    this.unfollow();
    this.unfollow = () => {};
    if (!name || this.series?.interval !== "1m") return;
    this.unfollow = stream.watch("candles", [name], ({ data }) => {
      const { series } = this;
      // Another venue, or the same one's other pair, has another price: it does not belong into this series.
      if (!data || !series || data.interval !== series.interval || data.provider !== series.provider || data.symbol !== series.pair) return;
      this.put(data, "stream");
    });
  }

  tell() {
    const { series, hovered, legend } = this;
    if (!series) return;
    const row = hovered === null ? series.last : series.rows.get(hovered);
    const time = format.when(new Date(hovered ?? row.open_time_ms).toISOString()).slice(0, 16);
    if (!row) {
      fill(legend, time, " ", h("span", { class: "soft" }, "nobody has this candle"));
      return;
    }
    const value = (letter, text) => [" ", h("span", { class: "soft" }, letter), " ", text];
    const remark = (text) => [" ", h("span", { class: "soft" }, text)];
    const turned = row.open ? (row.close / row.open - 1) * 100 : null;
    fill(legend, time, ["open", "high", "low", "close"].map((each) => value(each[0].toUpperCase(), format.price(row[each], ""))),
      value("V", format.compact(row.volume)), " ", h("span", { class: `change ${format.direction(turned)}` }, format.percent(turned)),
      row.incomplete ? remark("some trades were missed") : null, row.source && row.source !== series.provider ? remark(`from ${row.source}`) : null);
  }

  write() {
    const { series } = this;
    if (!series) return;
    const missing = series.gaps.reduce((sum, gap) => sum + gap.candles, 0);
    const latest = series.gaps.reduce((last, gap) => (last === null || gap.start > last.start ? gap : last), null);
    fill(this.note, badge(`${series.provider} ${series.pair}`), " ", provenance(series.meta), " · times in UTC · ",
      this.live === "stream" ? "the running candle comes from the venue's stream. " : "the running candle moves with the consensus price between the venue's own figures. ",
      missing ? h("strong", {}, `${missing} candles are missing and left empty, in ${series.gaps.length === 1 ? "one gap" : `${series.gaps.length} gaps`}; the latest from ${format.when(latest.start).slice(0, 16)} to ${format.when(latest.end).slice(0, 16)}. `) : null,
      series.ended ? `${series.ended} ` : null, series.said);
    this.tell();
  }

  show(change) {
    const scale = this.held?.chart.timeScale();
    const range = scale?.getVisibleLogicalRange();
    if (range) scale.setVisibleLogicalRange(change(range));
  }

  toNewest() {
    if (!this.series) return;
    const count = this.series.all().length;
    this.held.chart.timeScale().setVisibleLogicalRange({ from: Math.max(-2, count - Math.max(40, this.area.clientWidth / 8)), to: count + 2 });
  }

  pan(part) {
    this.show(({ from, to }) => ({ from: from + (to - from) * part, to: to + (to - from) * part }));
  }

  zoom(factor) {
    this.show(({ from, to }) => ({ from: to - Math.min(FAR, Math.max(NEAR, (to - from) * factor)), to }));
  }
}
