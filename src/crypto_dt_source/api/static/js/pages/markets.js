// Markets: every coin by market cap, the prices of those in sight live.

import * as api from "../api.js";
import { h, setText } from "../dom.js";
import * as format from "../format.js";
import { ago, badge, change, empty, every, field, heading, provenance, sparkline } from "../parts.js";
import * as stream from "../stream.js";
import { table } from "../table.js";
import { pick, renewed } from "./controls.js";

const PAGE_SIZE = 100;
const RENEWED_S = 60;
const FLASH_MS = 600;
const SETTLE_MS = 250;
const SORTED_S = 3;
const UNHEARD_MS = 4_000;
const LIVE = new Set(["price", "change_24h"]); // confidence flickers: rows in its order would never stand still
const KINDS = {
  up: ["rising in 24 h", (row) => row.change_24h_pct > 0],
  down: ["falling in 24 h", (row) => row.change_24h_pct < 0],
  traded: ["$100M or more a day", (row) => row.volume_24h >= 1e8],
};

export const title = () => "Markets";

/** How far the price may be off, in percent of it: half the width of what the sources agree on. */
const width = (row) => (row.half_width === null || row.half_width === undefined || !row.price ? null : (row.half_width / row.price) * 100);

const COLUMNS = [
  { id: "rank", title: "#", numeric: true, wide: true, value: (row) => row.rank, cell: (row) => format.number(row.rank, 0) },
  {
    id: "name", title: "Coin", first: true, value: (row) => row.name,
    cell: (row) => h("a", { class: "coin", href: `#/asset/${encodeURIComponent(row.ask)}` }, h("span", { class: "coin-name" }, row.name), h("span", { class: "ticker" }, row.symbol)),
  },
  { id: "price", title: "Price", numeric: true, value: (row) => row.price, cell: (row) => [row.stale ? badge("stale", "warn") : null, h("span", { class: "price" }, format.price(row.price, "$", row.price < 0.001 ? 4 : 6))] },
  { id: "change_1h", title: "1 h", numeric: true, wide: true, value: (row) => row.change_1h_pct, cell: (row) => change(row.change_1h_pct) },
  { id: "change_24h", title: "24 h", numeric: true, value: (row) => row.change_24h_pct, cell: (row) => change(row.change_24h_pct) },
  { id: "change_7d", title: "7 d", numeric: true, wide: true, value: (row) => row.change_7d_pct, cell: (row) => change(row.change_7d_pct) },
  { id: "market_cap", title: "Market cap", numeric: true, wide: true, value: (row) => row.market_cap, cell: (row) => format.money(row.market_cap) },
  { id: "volume", title: "Volume 24 h", numeric: true, wide: true, value: (row) => row.volume_24h, cell: (row) => format.money(row.volume_24h) },
  {
    id: "confidence", title: "Confidence", numeric: true, wide: true, value: width,
    cell: (row) => h("span", { title: row.sources ? `${row.sources} sources agree within this of the price` : "Not followed live: scroll the row into sight" },
      width(row) === null ? format.NONE : `±${format.fixed(width(row), 3)}%`, row.sources ? h("span", { class: "soft small" }, ` ${row.sources}`) : null),
  },
  { id: "spark", title: "7 days", wide: true, cell: (row) => sparkline(row.sparkline_7d, { label: `${row.name}, last seven days` }) },
];

export async function show(root, { signal, query, go }) {
  const search = field("Search", { type: "search", name: "q", placeholder: "Name or ticker", value: query.get("q") ?? "", "aria-controls": "coins" });
  const only = pick("Show", [["", "all"], ...Object.entries(KINDS).map(([id, [text]]) => [id, text])], query.get("show"), (kind) => {
    list.only(kind);
    keep({ show: kind });
  }, { name: "show" });
  const tiles = h("div", { class: "tiles" });
  const about = h("span", { class: "soft" });
  const holder = h("div", { id: "coins" });
  const pager = h("nav", { class: "pager", "aria-label": "Pages of the list" });
  root.append(heading("Markets", about), tiles, h("div", { class: "filters" }, search, only), holder, pager);
  globalFigures(tiles, signal);
  const page = Math.max(1, Number.parseInt(query.get("page") ?? "1", 10) || 1);
  const list = coinList(holder, signal, (order) => keep({ sort: order.by, down: order.down ? "1" : "0" }), query);
  const input = search.querySelector("input");

  function keep(values) {
    for (const [name, value] of Object.entries(values)) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    go(`#/${query.size ? `?${query}` : ""}`, { replace: true });
    if (shownPage) pages(pager, shownPage, query);
  }

  let shownPage = null;
  let typed = 0;
  input.addEventListener("input", () => {
    clearTimeout(typed);
    const text = input.value.trim();
    list.filter(text);
    keep({ q: text });
    // What is not on this page may be further down the list: the server knows.
    if (text.length > 1) typed = setTimeout(() => list.elsewhere(text), SETTLE_MS * 2);
  });
  signal.addEventListener("abort", () => clearTimeout(typed), { once: true });

  async function fetched(freshMs) {
    const answer = await api.get("api/coins", { query: { page, page_size: PAGE_SIZE, sparkline: true }, freshMs, signal });
    list.set(answer.data);
    about.replaceChildren(provenance(answer.meta));
    shownPage = answer.page;
    pages(pager, shownPage, query);
    return list.node;
  }
  list.only(only.querySelector("select").value);
  list.filter(input.value.trim());
  const refresh = renewed(holder, signal, (again) => fetched(again ? 0 : RENEWED_S * 500), { rows: 20 });
  every(RENEWED_S, signal, refresh.now);
  await refresh.first;
  if (!signal.aborted && input.value.trim().length > 1) list.elsewhere(input.value.trim());
}

function pages(node, page, query) {
  const link = (number, text) => {
    const parameters = new URLSearchParams(query);
    parameters.set("page", number);
    return h("a", { href: `#/?${parameters}` }, text);
  };
  node.replaceChildren(
    ...[page.previous ? link(page.previous, "← Larger coins") : null, page.total ? h("span", { class: "soft" }, `${page.total} coins`) : null, page.next ? link(page.next, "Smaller coins →") : null].filter(Boolean),
  );
}

function globalFigures(node, signal) {
  const tile = (name) => {
    const value = h("strong", {}, format.NONE);
    const more = h("span", { class: "small" });
    node.append(h("div", { class: "tile" }, h("span", { class: "soft small" }, name), value, more));
    return { value, more };
  };
  const [cap, volume, btc, eth] = ["Market cap", "Volume 24 h", "BTC share", "ETH share"].map(tile);
  const part = (value) => format.share(value === null ? null : value / 100);
  const draw = (data, time) => {
    setText(cap.value, format.money(data.market_cap));
    cap.more.replaceChildren(change(data.market_cap_change_24h_pct));
    setText(volume.value, format.money(data.volume_24h));
    volume.more.replaceChildren(...(time ? [ago(time)] : []));
    setText(btc.value, part(data.btc_dominance_pct));
    setText(eth.value, part(data.eth_dominance_pct));
  };
  let heard = -Infinity;
  const stop = stream.watch("market", null, ({ data }) => {
    if (!data) return; // a snapshot before the first figures has none
    heard = performance.now();
    draw(data, data.figures_fetched_at);
  });
  // Where no stream comes through, the tiles are as old as the list.
  const ask = async () => {
    if (performance.now() - heard < RENEWED_S * 1000) return;
    const answer = await api.get("api/market", { signal }).catch(() => null);
    if (answer && !signal.aborted) draw(answer, answer.meta.fetched_at);
  };
  const first = setTimeout(ask, UNHEARD_MS);
  every(RENEWED_S, signal, ask);
  signal.addEventListener("abort", () => {
    stop();
    clearTimeout(first);
  }, { once: true });
}

/** The table: rows of the list, each joined with its live price while it is in sight. */
function coinList(holder, signal, onsort, query) {
  const sort = query.get("sort") ? { by: query.get("sort"), down: query.get("down") === "1" } : { by: "rank", down: false };
  const shown = table({ caption: "Coins by market cap", columns: COLUMNS, id: (row) => row.id, sort, nothing: "No coin on this page matches.", onsort });
  const found = h("p", { class: "soft", "aria-live": "polite" });
  const node = h("div", {}, found, shown.node);
  let all = [];
  let wanted = "";
  let kind = () => true;
  const sight = new Map(); // symbol → what ends following it
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) entry.target.inSight = entry.isIntersecting;
    clearTimeout(watcher.timer);
    watcher.timer = setTimeout(follow, SETTLE_MS);
  }, { rootMargin: "40px" });
  signal.addEventListener("abort", () => {
    watcher.disconnect();
    clearTimeout(watcher.timer);
    for (const stop of sight.values()) stop();
  }, { once: true });
  // A table in the order of what moves is put in order as it moves, yet not under somebody's pointer.
  every(SORTED_S, signal, () => LIVE.has(shown.order?.by) && !shown.node.matches(":hover, :focus-within") && shown.settle());

  function follow() {
    if (signal.aborted) return;
    const allowed = stream.allowance();
    // Two are taken: the global figures and the notices of the operator.
    const room = allowed === null ? 100 : Math.max(0, allowed - 2);
    const inSight = shown.rows().filter((row) => node.querySelector(`tr[data-id="${CSS.escape(row.id)}"]`)?.inSight).slice(0, room).map((row) => row.ask);
    for (const [symbol, stop] of sight) {
      if (!inSight.includes(symbol)) {
        stop();
        sight.delete(symbol);
      }
    }
    for (const symbol of inSight) if (!sight.has(symbol)) sight.set(symbol, stream.watch("prices", [symbol], moved));
  }

  function moved({ symbol, data }) {
    const known = all.find((row) => row.ask === symbol);
    if (!known) return;
    const next = joined(known, data);
    all = all.map((row) => (row === known ? next : row));
    const line = shown.patch(next, ["price", "change_24h", "confidence", ...(next.volume_24h === known.volume_24h ? [] : ["volume"])]);
    if (!line || next.price === known.price || known.price === null) return;
    const cell = line.querySelector(".price");
    const tone = next.price > known.price ? "flash-up" : "flash-down";
    cell.classList.add(tone);
    setTimeout(() => cell.classList.remove(tone), FLASH_MS);
  }

  const matches = (row) => `${row.name} ${row.symbol} ${row.id}`.toLowerCase().includes(wanted);

  function draw() {
    shown.set(all.filter((row) => matches(row) && kind(row)));
    watcher.disconnect();
    for (const line of node.querySelectorAll("tbody tr[data-id]")) watcher.observe(line);
  }

  return {
    node,
    set(rows) {
      // A ticker that a larger coin has too is asked for by the coin's id.
      const tickers = new Set();
      const before = new Map(all.map((row) => [row.id, row]));
      all = rows.map((row) => {
        const ask = tickers.has(row.symbol) ? row.id : row.symbol;
        tickers.add(row.symbol);
        const old = before.get(row.id);
        return old?.live && sight.has(ask) ? { ...row, ask, live: true, ...livePart(old) } : { ...row, ask };
      });
      draw();
    },
    only(name) {
      kind = KINDS[name]?.[1] ?? (() => true);
      draw();
    },
    filter(text) {
      wanted = text.toLowerCase();
      setText(found, "");
      draw();
    },
    async elsewhere(text) {
      try {
        const answer = await api.get("api/coins/search", { query: { q: text.slice(0, 64) }, freshMs: 60_000, signal });
        const here = new Set(all.map((row) => row.id));
        const others = answer.data.filter((coin) => !here.has(coin.id)).slice(0, 8);
        if (wanted !== text.toLowerCase()) return;
        found.replaceChildren(...(others.length ? ["Further coins: ", ...others.flatMap((coin, index) => [index ? ", " : "", h("a", { href: `#/asset/${encodeURIComponent(coin.id)}` }, `${coin.name} (${coin.symbol})`)])] : []));
      } catch (error) {
        if (error.name !== "AbortError") found.replaceChildren(empty(error.message));
      }
    },
  };
}

const livePart = (row) => ({ price: row.price, half_width: row.half_width, sources: row.sources, stale: row.stale, change_24h_pct: row.change_24h_pct });

/** A row of the list with what the stream says of its price; the figures of the list stay where the stream has none. */
function joined(row, data) {
  return {
    ...row, live: true, price: data.price ?? row.price, half_width: data.confidence, sources: data.sources, stale: data.stale,
    change_24h_pct: data.change_24h_pct ?? row.change_24h_pct,
  };
}
