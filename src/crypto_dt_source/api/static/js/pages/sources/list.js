// Every provider: tiles by state, filters, a table in pages.

import * as api from "../../api.js";
import { fill, h, setText } from "../../dom.js";
import * as format from "../../format.js";
import { badge, choice, every, field, meter, stateBadge } from "../../parts.js";
import * as stream from "../../stream.js";
import { ordered, table } from "../../table.js";
import { pick, renewed } from "../controls.js";
import { WINDOWS, percentage, strip } from "./strip.js";

const PER_PAGE = 50;
const RENEWED_S = 60;
const SCORES_MS = 120_000;
/** States, the worst first, as they are explained. */
export const STATES = {
  down: "failing or resting", degraded: "failing at times", up: "answering", idle: "yet to be asked",
  no_key: "without a key", off: "switched off", gone: "closed for good",
};
const SEVERITY = Object.keys(STATES);

/** The smallest share of a provider's limits that is left, 0 to 1; null without a limit. */
export const leftOf = (row) => (row.budget.length ? Math.min(...row.budget.map((line) => line.left / line.amount)) : null);

const ms = (value) => (value === null ? format.NONE : format.number(value, 0));
const tone = (left) => (left < 0.1 ? "bad" : left < 0.3 ? "warn" : "");

const columns = (score, span) => [
  {
    id: "name", title: "Provider", first: true, value: (row) => row.name,
    cell: (row) => h("a", { class: "provider", href: `#/sources/${encodeURIComponent(row.id)}` }, h("span", { class: "coin-name" }, row.name), h("span", { class: "soft small" }, row.id)),
  },
  { id: "state", title: "State", value: (row) => SEVERITY.indexOf(row.state), cell: (row) => stateBadge(row.state, row.reason ?? STATES[row.state]) },
  { id: "category", title: "Category", wide: true, value: (row) => row.category, cell: (row) => [row.category, h("div", { class: "soft small" }, row.kind)] },
  { id: "health", title: "Health", numeric: true, value: (row) => row.health_score, cell: (row) => format.number(row.health_score, 0) },
  { id: "success", title: "Success", numeric: true, wide: true, value: (row) => row.success_rate, cell: (row) => format.share(row.success_rate) },
  {
    id: "latency", title: "Latency, ms", numeric: true, wide: true, value: (row) => row.latency_p50_ms,
    cell: (row) => (row.latency_p50_ms === null ? format.NONE : h("span", { title: "Median and 95th percentile" }, ms(row.latency_p50_ms), h("span", { class: "soft" }, ` / ${ms(row.latency_p95_ms)}`))),
  },
  { id: "available", title: "Available", numeric: true, wide: true, value: (row) => score(row)?.availability_pct, cell: (row) => percentage(score(row)?.availability_pct ?? null) },
  { id: "history", title: "Over time", wide: true, cell: (row) => (score(row)?.history ? strip(score(row).history, span()) : h("span", { class: "soft" }, format.NONE)) },
  {
    id: "budget", title: "Budget left", wide: true, value: leftOf,
    cell: (row) => (leftOf(row) === null ? h("span", { class: "soft" }, "no limit") : meter(leftOf(row), format.share(leftOf(row), 0), tone(leftOf(row)))),
  },
  { id: "breaker", title: "Breaker", wide: true, value: (row) => row.breaker, cell: (row) => (row.breaker ? stateBadge(row.breaker) : format.NONE) },
  { id: "stream", title: "Stream", wide: true, value: (row) => row.stream?.state, cell: (row) => (row.stream ? stateBadge(row.stream.state, row.stream.reason) : h("span", { class: "soft" }, "none")) },
  { id: "attribution", title: "Attribution", wide: true, value: (row) => row.attribution, cell: (row) => h("span", { class: "attribution soft small", title: row.attribution }, row.attribution ?? format.NONE) },
];

export async function show(root, { signal, query, go, beside }) {
  const view = listView(query, go);
  fill(beside, view.about);
  const holder = h("div");
  root.append(view.tiles, view.filters, holder);
  const refresh = renewed(holder, signal, async (again) => {
    const [providers] = await Promise.all([
      api.get("api/providers", { freshMs: again ? 0 : RENEWED_S * 500, signal }),
      view.score(signal),
    ]);
    view.set(providers);
    return view.node;
  }, { rows: 20, restMs: 10_000 });
  every(RENEWED_S, signal, refresh.now);
  let resting = null;
  signal.addEventListener("abort", stream.watch("health", null, ({ data }) => {
    const rest = data.components.providers.resting;
    const now = [...rest].sort().join();
    if (resting === null ? view.lacks(rest) : now !== resting) refresh.again();
    // The list may have come before what the first frame tells, and the first frame before the list.
    if (view.ready()) resting = now;
    view.streams(data.components.streams.venues);
  }), { once: true });
  await refresh.first;
}

const fits = (row, wanted) =>
  (!wanted.state || row.state === wanted.state) && (!wanted.category || row.category === wanted.category) && (!wanted.kind || row.kind === wanted.kind)
  && `${row.id} ${row.name} ${Object.keys(row.capabilities).join(" ")} ${row.attribution ?? ""}`.toLowerCase().includes(wanted.q.toLowerCase());

/** Scores by provider over a window. The list is worth having without them: the store may be away. */
async function scoresOver(window, signal) {
  try {
    const answer = await api.get("api/providers/scoreboard", { query: { window, history: true }, freshMs: SCORES_MS, signal });
    return new Map(answer.data.map((row) => [row.id, row]));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return new Map();
  }
}

/** Which of the pages is shown, and buttons to those beside it. */
function turn(pager, page, pages, to) {
  const button = (text, next) => (next < 1 || next > pages ? h("span") : h("button", { type: "button", onclick: () => to(next) }, text));
  fill(pager, pages > 1 ? [button("← Before", page - 1), h("span", { class: "soft" }, `Page ${page} of ${pages}`), button("Further →", page + 1)] : []);
}

function counted(tiles, all, wanted) {
  for (const tile of tiles.children) {
    setText(tile.querySelector("strong"), String(all.filter((row) => row.state === tile.dataset.state).length));
    tile.setAttribute("aria-pressed", String(wanted.state === tile.dataset.state));
  }
}

function listView(query, go) {
  const wanted = Object.fromEntries(["q", "state", "category", "kind"].map((name) => [name, query.get(name) ?? ""]));
  let span = Object.fromEntries(WINDOWS)[query.get("window")] ? query.get("window") : "24h";
  let order = { by: query.get("sort") ?? "state", down: query.get("down") === "1" };
  let page = Math.max(1, Number.parseInt(query.get("page") ?? "1", 10) || 1);
  let all = [];
  let scores = new Map();
  const own = columns((row) => scores.get(row.id), () => span);
  const shown = table({
    caption: "Providers", columns: own, id: (row) => row.id, sort: order, nothing: "No provider matches.",
    onsort: (next) => {
      order = next;
      keep({ sort: next.by, down: next.down ? "1" : "", page: "" });
    },
  });
  const tiles = h("div", { class: "tiles states", role: "group", "aria-label": "Providers by state" }, SEVERITY.map((state) => stateTile(state, () => {
    wanted.state = wanted.state === state ? "" : state;
    keep({ state: wanted.state, page: "" });
  })));
  const found = h("p", { class: "soft small", role: "status" });
  const pager = h("nav", { class: "pager", "aria-label": "Pages of the list" });
  const filters = h("div", { class: "filters" });
  const about = h("span", { class: "soft" });
  const node = h("div", {}, found, shown.node, pager);

  function keep(values) {
    if ("page" in values) page = Number(values.page) || 1;
    for (const [name, value] of Object.entries(values)) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    go(`#/sources${query.size ? `?${query}` : ""}`, { replace: true });
    draw();
  }

  function draw() {
    const fitting = ordered(all.filter((row) => fits(row, wanted)), own, order);
    const pages = Math.max(1, Math.ceil(fitting.length / PER_PAGE));
    page = Math.min(page, pages);
    shown.set(fitting.slice((page - 1) * PER_PAGE, page * PER_PAGE));
    setText(found, `${fitting.length} of ${all.length} providers`);
    turn(pager, page, pages, (to) => keep({ page: to > 1 ? String(to) : "" }));
    counted(tiles, all, wanted);
  }

  fill(filters, controls(wanted, span, (values) => {
    Object.assign(wanted, values);
    keep({ ...values, page: "" });
  }, async (next) => {
    span = next;
    keep({ window: next === "24h" ? "" : next });
    await score(null);
    draw();
  }));

  async function score(signal) {
    const asked = span;
    const found = await scoresOver(asked, signal);
    if (asked !== span) return;
    scores = found;
    // Other scores make other rows of them: a table draws again what is another object.
    all = all.map((row) => ({ ...row }));
  }

  return {
    tiles, filters, node, about, score,
    set(answer) {
      all = answer.data;
      setText(about, `As of ${format.when(answer.meta.fetched_at)}`);
      options(filters, all, wanted);
      draw();
    },
    ready: () => all.length > 0,
    /** Whether one of those that rest is not shown as down. */
    lacks: (rest) => all.some((row) => rest.includes(row.id) && row.state !== "down"),
    /** What the stream of health says of the venues' streams, into the rows that are shown. */
    streams(venues) {
      all = all.map((row) => (venues[row.id] && row.stream && venues[row.id].state !== row.stream.state ? { ...row, stream: venues[row.id] } : row));
      const now = new Map(all.map((row) => [row.id, row]));
      for (const row of shown.rows()) if (now.get(row.id) && now.get(row.id) !== row) shown.patch(now.get(row.id), ["stream"]);
    },
  };
}

const stateTile = (state, onclick) =>
  h("button", { type: "button", class: "tile", dataset: { state }, "aria-pressed": "false", onclick }, h("span", {}, stateBadge(state)), h("strong", {}, format.NONE), h("span", { class: "soft small" }, STATES[state]));

function controls(wanted, span, onfilter, onspan) {
  const search = field("Search", { type: "search", name: "q", placeholder: "Name, what it offers, attribution", value: wanted.q, oninput: (event) => onfilter({ q: event.target.value.trim() }) });
  return [
    search,
    pick("Category", [["", "All"]], "", (category) => onfilter({ category }), { name: "category" }),
    pick("Kind", [["", "All"]], "", (kind) => onfilter({ kind }), { name: "kind" }),
    h("div", { class: "field" }, h("span", { "aria-hidden": "true" }, "Availability over"), choice("Availability over", WINDOWS, span, onspan)),
  ];
}

/** The categories and kinds there are, into their choices. */
function options(filters, rows, wanted) {
  for (const name of ["category", "kind"]) {
    const values = [...new Set(rows.map((row) => row[name]))].sort();
    const select = filters.querySelector(`select[name="${name}"]`);
    if (select.options.length === values.length + 1) continue;
    fill(select, h("option", { value: "" }, "All"), values.map((value) => h("option", { value }, value)));
    select.value = values.includes(wanted[name]) ? wanted[name] : "";
  }
}

/** What a provider's state means, in words. */
export const stateLine = (row) => [row.reason ?? `It is ${STATES[row.state]}.`, " ", row.enabled || row.state === "gone" ? null : badge("not in use", "warn")];
