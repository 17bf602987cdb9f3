// What is traded: every execution on the venues whose streams are read, else the newest of one venue that is asked.

import * as api from "../../api.js";
import { fill, h } from "../../dom.js";
import * as format from "../../format.js";
import { card, empty, every, loading } from "../../parts.js";
import * as stream from "../../stream.js";

const SHOWN = 18;
const PAINTED_MS = 400;
const QUIET_MS = 8_000;
const ASKED_S = 30;

/** `{node, follow(name)}`: the card, and what begins it once the asset's name on the stream is known. */
export function tradesCard(asset, signal) {
  const body = h("tbody");
  const said = h("p", { class: "soft small" }, "Waiting for the first trade.");
  const heads = ["Time, UTC", "Venue", "Side", "Price", "Size"].map((text, index) => h("th", { scope: "col", class: index > 2 ? "num" : null }, text));
  const list = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Trades, the newest first" },
    h("table", {}, h("caption", { class: "hidden" }, `Recent trades of ${asset.symbol}, the newest first`), h("thead", {}, h("tr", {}, heads)), body));
  const area = h("div", { class: "trades" }, loading(10));
  const node = card("Recent trades", area, said);
  let rows = [];
  let painting = 0;
  let heard = 0;
  const opened = performance.now();

  function draw() {
    painting = 0;
    if (!rows.length) return;
    if (!list.isConnected) fill(area, list);
    fill(body, rows.map(line));
  }

  function add(more) {
    rows = [...more, ...rows].sort((a, b) => b.at - a.at).slice(0, SHOWN);
    if (!painting) painting = setTimeout(draw, PAINTED_MS);
  }

  function follow(name) {
    const stop = stream.watch("trades", [name], ({ data }) => {
      const found = (Array.isArray(data) ? data : [data]).filter(Boolean);
      if (!found.length) return;
      if (!heard) rows = [];
      heard = performance.now();
      add(found.map((row) => ({ ...row, at: Date.parse(row.timestamp ?? "") || format.now() })));
      fill(said, "As they happen, on every venue whose stream is read.");
    });
    signal.addEventListener("abort", stop, { once: true });
  }

  // No stream tells of this asset: one venue is asked now and then.
  async function ask() {
    if (heard || performance.now() - opened < QUIET_MS) return;
    try {
      const answer = await api.get("api/trades", { query: { symbol: asset.id, limit: SHOWN }, freshMs: ASKED_S * 500, signal });
      if (heard) return;
      rows = [];
      add(answer.data.map((row) => ({ ...row, at: Date.parse(row.time), provider: answer.provider, symbol: answer.pair })));
      fill(said, answer.data.length ? `The newest at ${answer.provider}, asked every ${ASKED_S} seconds: no stream tells of trades of ${asset.symbol} now.` : `${answer.provider} knows of no trade.`);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!rows.length) fill(area, empty("No venue tells of trades now."));
      fill(said, error.message);
    }
  }
  const first = setTimeout(ask, QUIET_MS + 100);
  every(ASKED_S, signal, ask);
  signal.addEventListener("abort", () => {
    clearTimeout(first);
    clearTimeout(painting);
  }, { once: true });
  return { node, follow };
}

function line(row) {
  if (row.gap) return h("tr", { class: "nothing" }, h("td", { colspan: 5 }, `${row.missing === null ? "Trades" : `${row.missing} trades`} of ${row.provider} were missed.`));
  const side = row.side === "buy" ? "up" : row.side === "sell" ? "down" : "flat";
  return h("tr", {}, h("td", {}, new Date(row.at).toISOString().slice(11, 19)), h("td", { title: row.symbol }, row.provider),
    h("td", { class: `change ${side}` }, row.side ?? format.NONE), h("td", { class: "num" }, format.price(row.price, ""), h("span", { class: "wide" }, ` ${row.symbol?.split("/")[1] ?? ""}`)), h("td", { class: "num" }, row.size >= 1e5 ? format.compact(row.size) : format.number(row.size, row.size >= 100 ? 1 : 4)));
}
