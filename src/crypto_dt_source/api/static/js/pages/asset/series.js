// The candles of one interval: those that are there, those that nobody has, and how more of them are asked for.

import * as api from "../../api.js";
import { now } from "../../format.js";

const SECOND = 1000;
const FIRST = 300;
const MOST = 1000; // what one answer may have
const KEPT = 20_000;
const APART_MS = 1500;

/** Seconds of a candle by the name of its interval, as GET /api/ohlcv has them. */
export const STEPS = { "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14_400, "6h": 21_600, "12h": 43_200, "1d": 86_400, "1w": 604_800 };

export const limited = ({ tier, given }) => `The ${tier} tier gives no older ones: a window of time reaches ${given} days back. A key may reach further.`;

const ask = (asset, interval, query, signal) =>
  api.get("api/ohlcv", { query: { symbol: asset.id, interval, ...query }, freshMs: query.end ? 60_000 : 2_000, signal });

/** Rows with places for those that nobody has, so that time stays to scale. */
export function spaced(rows, gaps, stepMs) {
  const all = new Map([...rows].map((row) => [row.open_time_ms, row]));
  let room = KEPT;
  for (const gap of gaps) {
    const end = Date.parse(gap.end);
    for (let at = Date.parse(gap.start); at < end && room > 0; at += stepMs, room -= 1) if (!all.has(at)) all.set(at, { open_time_ms: at });
  }
  return [...all.values()].sort((a, b) => a.open_time_ms - b.open_time_ms);
}

/** The newest candles as an answer of the API. */
export const newest = (asset, interval, signal) => ask(asset, interval, { limit: FIRST }, signal);

/** A series of one venue's pair, begun with an answer that has rows. `said` and `ended` are sentences for the reader or null. */
export class Series {
  constructor(asset, interval, answer, signal) {
    Object.assign(this, { asset, interval, signal, pair: answer.pair, provider: answer.provider, meta: answer.meta });
    this.step = STEPS[interval] * SECOND;
    this.currency = answer.pair.split("/")[1] ?? "";
    this.rows = new Map();
    this.gaps = [];
    this.ended = null;
    this.said = null;
    this.windows = false; // whether the whole of what is answered without a window was asked for
    this.asking = false;
    this.askedAt = 0;
    this.merge(answer);
  }

  merge(answer) {
    for (const row of answer.data) this.rows.set(row.open_time_ms, row);
    const seen = new Set(this.gaps.map((gap) => gap.start));
    this.gaps.push(...(answer.meta.gaps ?? []).filter((gap) => !seen.has(gap.start)));
    this.rows = new Map([...this.rows].sort(([a], [b]) => a - b));
    this.last = [...this.rows.values()].at(-1);
  }

  all() {
    return spaced(this.rows.values(), this.gaps, this.step);
  }

  /** A newer state of the running candle, or the next one; whether it belongs to the end of the series. */
  put(row) {
    if (row.open_time_ms < this.last.open_time_ms) return false;
    this.rows.set(row.open_time_ms, row);
    this.last = row;
    return true;
  }

  /** The running candle, or the next one, with a price of that time; null where the venue's own are needed first. */
  touched(price, at) {
    const { last } = this;
    const next = last.open_time_ms + this.step;
    if (at < last.open_time_ms || at >= next + this.step) return null;
    if (at < next) return { ...last, close: price, high: Math.max(last.high, price), low: Math.min(last.low, price) };
    return { open_time_ms: next, open: last.close, high: Math.max(last.close, price), low: Math.min(last.close, price), close: price, volume: null };
  }

  /** Asks for older ones: first for all that is answered without a window, then for windows of time. Whether any came. */
  async older() {
    if (this.asking || this.ended || performance.now() - this.askedAt < APART_MS) return false;
    this.asking = true;
    this.askedAt = performance.now();
    const first = this.rows.keys().next().value;
    const window = this.windows ? { end: new Date(first).toISOString() } : {};
    try {
      const answer = await ask(this.asset, this.interval, { limit: MOST, provider: this.provider, ...window }, this.signal);
      this.windows = true;
      if (answer.pair !== this.pair) this.ended = `Older candles are of another pair, ${answer.pair}.`;
      else this.merge(answer);
      const came = this.rows.keys().next().value !== first;
      if (answer.meta.tier_limit) this.ended = limited(answer.meta.tier_limit);
      else if (!came) this.ended ??= `${this.provider} has no older candles.`;
      else if (this.rows.size >= KEPT) this.ended = "Older ones are to be had with a longer candle.";
      this.said = null;
      return came;
    } catch (error) {
      if (error.name === "AbortError") return false;
      this.said = `Older candles: ${error.message}`;
      this.askedAt = performance.now() + (error.retryAfter ?? 10) * SECOND;
      return false;
    } finally {
      this.asking = false;
    }
  }

  /**
   * Asks what the venue itself says of the newest ones, volume included; after a sleep of the machine for all that was
   * missed. The rows to be drawn anew, or null where the series has to be begun again.
   */
  async newer() {
    const since = this.last.open_time_ms;
    const limit = Math.min(MOST, Math.max(0, Math.ceil((now() - since) / this.step)) + 3);
    try {
      const answer = await ask(this.asset, this.interval, { limit, provider: this.provider }, this.signal);
      if (answer.pair !== this.pair || !answer.data.length) return [];
      if (answer.data[0].open_time_ms > since + this.step) return null;
      this.merge(answer);
      this.meta = answer.meta;
      this.said = null;
      return spaced(answer.data, answer.meta.gaps ?? [], this.step).filter((row) => row.open_time_ms >= since);
    } catch (error) {
      if (error.name !== "AbortError") this.said = `Not renewed: ${error.message}`;
      return [];
    }
  }
}
