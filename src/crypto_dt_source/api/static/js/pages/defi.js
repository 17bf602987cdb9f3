// DeFi: the value locked over time, protocols, chains, yields, stablecoins, exchanges.

import * as api from "../api.js";
import { fill, h, outward } from "../dom.js";
import * as format from "../format.js";
import { badge, card, change, choice, empty, every, facts, field, heading, load, provenance } from "../parts.js";
import { table } from "../table.js";

const FRESH_MS = 300_000;
const RENEWED_S = 300;
const PARTS = [["", "Protocols"], ["chains", "Chains"], ["yields", "Yields"], ["stablecoins", "Stablecoins"], ["exchanges", "Exchanges"]];
const DAYS = [[7, "7 d"], [30, "30 d"], [90, "90 d"]];

export const title = ({ rest }) => (rest[0] === "protocol" ? rest[1] : "DeFi");

const text = (id, name, value, more = {}) => ({ id, title: name, value, cell: value, ...more });
const amount = (id, name, value, more = {}) => ({ id, title: name, numeric: true, value, cell: (row) => format.money(value(row)), ...more });
const moved = (id, name, value, more = {}) => ({ id, title: name, numeric: true, value, cell: (row) => change(value(row)), ...more });

export async function show(root, at) {
  if (at.rest[0] === "protocol" && at.rest[1]) {
    await protocol(root, at);
    return;
  }
  const part = PARTS.some(([id]) => id === at.rest[0]) ? at.rest[0] : "";
  const about = h("span");
  const tabs = h("nav", { "aria-label": "Parts of DeFi", class: "tabs" }, PARTS.map(([id, name]) =>
    h("a", { href: `#/defi${id ? `/${id}` : ""}`, "aria-current": id === part ? "page" : null }, name)));
  root.append(heading("DeFi", about));
  tvlChart(root, at);
  const body = h("div");
  root.append(tabs, body);
  await ({ "": protocols, chains, yields, stablecoins, exchanges })[part](body, at, about);
}

/** Calls `renew` now and then. Where that fails, what is shown stays, and its age says how old it is. */
const renewing = (signal, renew) => every(RENEWED_S, signal, async () => {
  try {
    await renew();
  } catch (error) {
    if (error.name !== "AbortError" && !(error instanceof api.ApiError)) throw error;
  }
});

/** The chart of all chains, or of the one in the address. */
function tvlChart(root, at) {
  const { signal, query } = at;
  const holder = h("div", {}, h("div", { class: "chart" }));
  const about = h("span");
  const chain = query.get("chain");
  let days = Number(query.get("days")) || 30;
  let made = null;
  const asked = async (freshMs) => {
    const answer = await api.get("api/defi/tvl-chart", { query: { days, chain }, freshMs, signal });
    fill(about, provenance(answer.meta), answer.meta.limited ? badge("shortened by the tier", "warn") : null);
    return answer;
  };
  const points = (answer) => made.set(answer.data.map((row) => ({ time: row.date, value: row.tvl })));
  const draw = () => load(holder, signal, async () => {
    const answer = await asked(FRESH_MS);
    if (answer.data.length < 2) return empty("No history is stored yet.");
    const { line } = await import("../chart.js");
    if (signal.aborted) return undefined;
    made?.stop();
    const node = h("div", { class: "chart" });
    fill(holder, node);
    made = await line(node, `Total value locked by day${chain ? ` on ${chain}` : ""}`, { area: true, write: format.money });
    points(answer);
    return undefined;
  }, 9);
  signal.addEventListener("abort", () => made?.stop(), { once: true });
  const days_ = choice("Days", DAYS, days, (value) => {
    days = value;
    keep(at, { days: String(value) });
    draw();
  });
  const all = chain ? h("a", { href: "#/defi/chains" }, "All chains") : null;
  root.append(card(chain ? `Value locked on ${chain}` : "Value locked", h("div", { class: "row" }, days_, about, all), holder));
  draw();
  renewing(signal, async () => made && points(await asked(0)));
}

const words = (row) => [row.name, row.symbol, row.category, row.chain, row.project, row.mechanism, row.slug].filter(Boolean).join(" ").toLowerCase();

/** A table of what one route gives, narrowed by what is typed. `ask` fetches it, with more in the query of the request. */
function listed(body, at, about, path, asked, options) {
  const { signal } = at;
  const shown = table({ id: (row) => row.slug ?? row.pool ?? row.id ?? row.name, nothing: "Nothing in this list matches.", ...options });
  const holder = h("div", {});
  let all = [];
  const draw = () => shown.set(all.filter((row) => words(row).includes(input.value.trim().toLowerCase())));
  const filter = field("Filter", { type: "search", name: "q", value: at.query.get("q") ?? "", placeholder: "Words in the list", oninput: () => {
    draw();
    keep(at, { q: input.value.trim() });
  } });
  const input = filter.querySelector("input");
  body.append(h("div", { class: "filters" }, filter), holder);
  let wanted = {};
  const taken = async (freshMs) => {
    const mine = wanted;
    const answer = await api.get(path, { query: { ...asked, ...mine }, freshMs, signal });
    // Somebody may have asked for something else meanwhile.
    if (mine !== wanted) return;
    all = answer.data;
    draw();
    fill(about, provenance(answer.meta));
  };
  const ask = (more = {}) => {
    wanted = more;
    return load(holder, signal, async () => {
      await taken(FRESH_MS);
      return shown.node;
    }, 20);
  };
  renewing(signal, async () => shown.node.isConnected && taken(0));
  return { ask };
}

/** Puts what was chosen into the address. */
function keep({ query, rest, go }, values) {
  for (const [name, value] of Object.entries(values)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  go(`#/defi${rest.length ? `/${rest.map(encodeURIComponent).join("/")}` : ""}${query.size ? `?${query}` : ""}`, { replace: true });
}

const protocols = (body, at, about) => listed(body, at, about, "api/defi", { limit: 100 }, {
  caption: "Protocols by value locked", sort: { by: "rank", down: false },
  columns: [
    { id: "rank", title: "#", numeric: true, wide: true, value: (row) => row.rank, cell: (row) => String(row.rank) },
    { id: "name", title: "Protocol", first: true, value: (row) => row.name, cell: (row) => h("a", { class: "coin", href: `#/defi/protocol/${encodeURIComponent(row.slug)}` }, h("span", { class: "coin-name" }, row.name), h("span", { class: "ticker" }, row.symbol ?? "")) },
    text("category", "Category", (row) => row.category ?? format.NONE, { wide: true }),
    text("chain", "Chain", (row) => row.chain ?? format.NONE, { wide: true }),
    amount("tvl", "Value locked", (row) => row.tvl),
    moved("change_1d", "1 d", (row) => row.change_1d_pct),
    moved("change_7d", "7 d", (row) => row.change_7d_pct, { wide: true }),
    amount("market_cap", "Market cap", (row) => row.market_cap, { wide: true }),
  ],
}).ask();

const chains = (body, at, about) => listed(body, at, about, "api/defi/chains", { limit: 100 }, {
  caption: "Chains by value locked", sort: { by: "tvl", down: true }, id: (row) => row.name,
  columns: [
    { id: "name", title: "Chain", first: true, value: (row) => row.name, cell: (row) => h("a", { href: `#/defi/chains?chain=${encodeURIComponent(row.name)}` }, row.name) },
    text("symbol", "Coin", (row) => row.symbol ?? format.NONE),
    amount("tvl", "Value locked", (row) => row.tvl),
    { id: "share", title: "Share", numeric: true, value: (row) => row.share_pct, cell: (row) => (row.share_pct === null ? format.NONE : format.share(row.share_pct / 100)) },
  ],
}).ask();

async function yields(body, at, about) {
  const percent = (id, name, value, more = {}) => ({ id, title: name, numeric: true, value, cell: (row) => (value(row) === null ? format.NONE : `${format.fixed(value(row), 2)}%`), ...more });
  const chain = field("Chain", { name: "chain", placeholder: "Ethereum", value: at.query.get("on") ?? "" });
  const symbol = field("Coin", { name: "symbol", placeholder: "ETH", size: 8, value: at.query.get("coin") ?? "" });
  const chosen = () => ({ chain: chain.querySelector("input").value.trim(), symbol: symbol.querySelector("input").value.trim() });
  const form = h("form", { class: "filters", onsubmit: (event) => {
    event.preventDefault();
    const { chain: on, symbol: coin } = chosen();
    keep(at, { on, coin });
    list.ask(chosen());
  } }, chain, symbol, h("button", { type: "submit" }, "Show"));
  body.append(form);
  const list = listed(body, at, about, "api/defi/yields", { page_size: 100 }, {
    caption: "Pools that pay a yield", sort: { by: "tvl", down: true }, id: (row) => row.pool,
    columns: [
      { id: "symbol", title: "Pool", first: true, value: (row) => row.symbol, cell: (row) => h("span", { class: "coin-name" }, row.symbol) },
      text("project", "Project", (row) => row.project, { wide: true }),
      text("chain", "Chain", (row) => row.chain, { wide: true }),
      amount("tvl", "Value locked", (row) => row.tvl),
      percent("apy", "APY", (row) => row.apy),
      percent("apy_mean_30d", "30 d mean", (row) => row.apy_mean_30d, { wide: true }),
      { id: "risk", title: "Loss by price moves", wide: true, cell: (row) => (row.il_risk ? badge("yes", "warn") : row.il_risk === false ? "no" : format.NONE) },
    ],
  });
  await list.ask(chosen());
}

const stablecoins = (body, at, about) => listed(body, at, about, "api/defi/stablecoins", { limit: 100 }, {
  caption: "Stablecoins by circulation", sort: { by: "circulating", down: true }, id: (row) => row.id,
  columns: [
    { id: "name", title: "Stablecoin", first: true, value: (row) => row.name, cell: (row) => h("span", { class: "coin" }, h("span", { class: "coin-name" }, row.name), h("span", { class: "ticker" }, row.symbol)) },
    { id: "price", title: "Price", numeric: true, value: (row) => row.price, cell: (row) => format.price(row.price) },
    text("mechanism", "Held by", (row) => row.mechanism ?? format.NONE, { wide: true }),
    amount("circulating", "Circulating", (row) => row.circulating_usd),
    moved("change_7d", "7 d", (row) => row.change_7d_pct),
    moved("change_30d", "30 d", (row) => row.change_30d_pct, { wide: true }),
  ],
}).ask();

const exchanges = (body, at, about) => listed(body, at, about, "api/defi/dex-volumes", { limit: 100 }, {
  caption: "Decentralised exchanges by volume", sort: { by: "volume_24h", down: true }, id: (row) => row.slug,
  columns: [
    { id: "name", title: "Exchange", first: true, value: (row) => row.name, cell: (row) => h("span", { class: "coin-name" }, row.name) },
    amount("volume_24h", "Volume 24 h", (row) => row.volume_24h),
    amount("volume_7d", "7 d", (row) => row.volume_7d, { wide: true }),
    amount("volume_30d", "30 d", (row) => row.volume_30d, { wide: true }),
    moved("change_1d", "Change 1 d", (row) => row.change_1d_pct),
    moved("change_7d", "Change 7 d", (row) => row.change_7d_pct, { wide: true }),
  ],
}).ask();

async function protocol(root, { rest, signal }) {
  const holder = h("div");
  root.append(holder);
  await load(holder, signal, async () => {
    const { data, meta } = await api.get(`api/defi/protocols/${encodeURIComponent(rest[1])}`, { query: { days: 7 }, freshMs: FRESH_MS, signal });
    const node = h("div", { class: "chart" });
    const history = data.history ?? [];
    fill(holder, h("div", {}, heading(data.name, provenance(meta)),
      h("p", { class: "soft" }, data.description ?? ""),
      card("Value locked", history.length > 1 ? node : empty("No history is stored yet.")),
      card("Facts", facts([
        ["Category", data.category ?? format.NONE], ["Value locked", format.money(data.tvl)], ["Market cap", format.money(data.market_cap)],
        ["Coin", data.symbol ?? format.NONE], ["Home", data.url ? outward(data.url, data.url) : format.NONE],
      ])),
      card("By chain", facts((data.chain_tvl ?? []).map((row) => [row.name, format.money(row.tvl)])))));
    if (history.length > 1) {
      const { line } = await import("../chart.js");
      if (signal.aborted) return;
      const made = await line(node, `Value locked in ${data.name} by day`, { area: true, write: format.money });
      signal.addEventListener("abort", made.stop, { once: true });
      made.set(history.map((row) => ({ time: row.date, value: row.tvl })));
    }
  }, 16);
}
