// One provider: how it does now and did over time, what it offers, its limits, failures, stream and terms, what an admin may do.

import * as api from "../../api.js";
import { fill, h, outward, setText } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card, empty, every, facts, field, load, meter, stateBadge } from "../../parts.js";
import * as stream from "../../stream.js";
import { table } from "../../table.js";
import { action, adminForm, needsKey, outcome } from "../controls.js";
import { stateLine } from "./list.js";
import { WINDOWS, percentage, strip } from "./strip.js";

const RENEWED_S = 30;
const FAILURES_H = 24;
const LONG_MS = 60_000;

const ms = (value) => (value === null || value === undefined ? format.NONE : `${format.number(value, value < 10 ? 1 : 0)} ms`);

export async function show(root, { rest: [id], signal, named, beside }) {
  setText(named, id);
  const path = `api/providers/${encodeURIComponent(id)}`;
  const holder = h("div");
  root.append(holder);
  const about = h("p", { class: "soft" });
  await load(holder, signal, async () => {
    const row = (await api.get(path, { signal })).data;
    const parts = body(row, path, signal, (next) => draw(next));
    function draw(next) {
      setText(named, next.name);
      fill(beside, stateBadge(next.state), h("span", { class: "mono soft" }, next.id), h("a", { href: "#/sources" }, "All providers"));
      fill(about, stateLine(next));
      parts.draw(next);
    }
    draw(row);
    follow(path, row, signal, draw, parts.renew);
    return h("div", {}, about, parts.node);
  }, 16);
}

/** Draws the provider anew every half minute, and at once when it begins or ends resting or its stream changes. */
function follow(path, { id, ...row }, signal, draw, renew) {
  let busy = false;
  async function again() {
    if (busy || signal.aborted) return;
    busy = true;
    try {
      draw((await api.get(path, { freshMs: 2_000, signal })).data);
    } catch {
      // What is shown stays; the live sign at the top of the page says that the server is away.
    } finally {
      busy = false;
    }
  }
  every(RENEWED_S, signal, () => {
    again();
    renew();
  });
  let known = `${row.state === "down"} ${row.stream?.state}`;
  signal.addEventListener("abort", stream.watch("health", null, ({ data }) => {
    const now = `${data.components.providers.resting.includes(id)} ${data.components.streams.venues[id]?.state}`;
    if (known !== now) {
      again();
      renew(2_000);
    }
    known = now;
  }), { once: true });
}

/** The parts of the page: `draw(row)` puts a row into them, `renew()` the counts and failures. `changed` takes what an action made of the row. */
function body(first, path, signal, changed) {
  const now = h("div");
  const limits = h("div");
  const live = h("div");
  const offers = h("div");
  const failures = h("div");
  const history = h("div");
  const terms = h("div");
  const streamCard = card("Stream", live);
  let stats = null;
  let row = first;
  const told = outcome();
  const admin = h("div");

  const drawOffers = () => fill(offers, offersTable(row, stats));
  const renew = async (freshMs = RENEWED_S * 500) => {
    try {
      stats = (await api.get(`${path}/stats`, { freshMs, signal })).data;
    } catch (error) {
      if (error.name === "AbortError") return;
      stats = null;
    }
    drawOffers();
    fill(failures, failuresPart(stats, await failuresOf(row.id, signal)));
  };
  load(history, signal, async () => historyPart((await api.get(`${path}/scoreboard`, { freshMs: LONG_MS, signal })).data), 6);
  load(terms, signal, async () => {
    const found = await api.get("api/resources", { query: { q: row.id, page_size: 50 }, freshMs: LONG_MS, signal });
    return termsPart(row, found.data.find((each) => each.id === row.id));
  }, 4);
  load(failures, signal, async () => {
    await renew();
  }, 3);
  fill(admin, adminPart(path, row, told, changed));

  function draw(next) {
    row = next;
    fill(now, nowFacts(row));
    fill(limits, limitsPart(row));
    fill(live, row.stream ? streamFacts(row.stream) : []);
    streamCard.hidden = !row.stream;
    drawOffers();
  }

  const node = h("div", {},
    card("Now", now),
    card("Health over time", history),
    h("div", { class: "grid" }, card("What it offers", offers), card("Limits", limits)),
    card("Failures", failures),
    h("div", { class: "grid" }, streamCard, card("Documentation and terms", terms), card("Change it", admin, told)));
  return { node, draw, renew };
}

const nowFacts = (row) => facts([
  ["Health score", format.number(row.health_score, 1)],
  ["Recent success", format.share(row.success_rate)],
  ["Median latency", ms(row.latency_p50_ms)],
  ["95th percentile", ms(row.latency_p95_ms)],
  ["Breaker", row.breaker ? stateBadge(row.breaker) : format.NONE],
  ["Last success", h("span", { title: format.when(row.last_success) }, format.ago(row.last_success))],
  ["Last failure", h("span", { title: format.when(row.last_failure) }, format.ago(row.last_failure), row.last_failure_code ? ` (${row.last_failure_code})` : "")],
  ["Enabled", row.enabled ? "yes" : "no"],
  ["Priority", row.priority ?? "by rank"],
  ["Weight", row.weight ?? "1"],
]);

const streamFacts = (state) => facts([
  ["State", stateBadge(state.state, state.reason)],
  ["Topics delivered", `${state.subscribed} of ${state.wanted}`],
  ["Connections", String(state.connections)],
  ["Newest record", format.ago(state.last_data)],
  ["Made again", String(state.reconnects)],
  ["Gaps seen", String(state.gaps)],
  ...(state.reason ? [["Why", state.reason]] : []),
]);

function limitsPart(row) {
  if (!row.budget.length) return empty("No limit is published, or none counts while it is not in use.");
  return h("div", {}, row.budget.map((line) => {
    const left = line.left / line.amount;
    return h("div", { class: "part-line" },
      h("div", {}, `${format.number(line.amount, 0)} per ${format.duration(line.per_seconds)}`),
      meter(left, `${format.number(line.left, 0)} left`, left < 0.1 ? "bad" : left < 0.3 ? "warn" : ""),
      line.oldest_expires ? h("div", { class: "soft small" }, `The oldest use ends ${format.when(line.oldest_expires)}`) : null);
  }));
}

function offersTable(row, stats) {
  const made = table({
    caption: "Capabilities and latency", id: (each) => each.capability, nothing: "Nothing.", sort: { by: "rank", down: false },
    columns: [
      { id: "capability", title: "Capability", first: true, value: (each) => each.capability, cell: (each) => each.capability },
      { id: "rank", title: "Rank", numeric: true, value: (each) => each.rank, cell: (each) => String(each.rank) },
      { id: "p50", title: "Median", numeric: true, value: (each) => each.latency?.p50_ms, cell: (each) => ms(each.latency?.p50_ms) },
      { id: "p95", title: "95th", numeric: true, wide: true, value: (each) => each.latency?.p95_ms, cell: (each) => ms(each.latency?.p95_ms) },
      { id: "samples", title: "Samples", numeric: true, wide: true, value: (each) => each.latency?.samples, cell: (each) => format.number(each.latency?.samples ?? 0, 0) },
    ],
  });
  made.set(Object.entries(row.capabilities).map(([capability, rank]) => ({ capability, rank, latency: stats?.latency[capability] })));
  return [h("p", { class: "soft small" }, "A lower rank is asked first; an operator's priority comes before it."), made.node];
}

function historyPart(found) {
  const figures = WINDOWS.map(([window, text]) => ({ window, text, ...(found.windows[window] ?? {}) }));
  const of = (name, decimals) => (row) => format.number(row[name], decimals);
  const column = (id, title, cell) => ({ id, title, numeric: true, cell });
  const made = table({
    caption: "Scores of three windows", id: (row) => row.window,
    columns: [
      { id: "window", title: "Window", first: true, cell: (row) => row.text },
      column("available", "Available", (row) => percentage(row.availability_pct, 2)),
      column("calls", "Calls", of("calls", 0)),
      column("failures", "Failures", of("failures", 0)),
      column("p50", "Median", (row) => ms(row.latency_p50_ms)),
      column("p95", "95th", (row) => ms(row.latency_p95_ms)),
      column("drifts", "Changed shape", of("schema_drifts", 0)),
      column("quotes", "Quotes", of("quotes", 0)),
      column("excluded", "Left out", (row) => percentage(row.excluded_pct)),
      column("age", "Age of quotes", (row) => ms(row.quote_age_ms)),
      column("off", "Off the price", (row) => percentage(row.deviation_pct, 3)),
    ],
  });
  made.set(figures);
  return h("div", {},
    h("div", { class: "strips" }, WINDOWS.map(([window, text]) => h("div", {}, h("div", { class: "soft small" }, `${text}: ${found.windows[window] ? `${format.number(found.windows[window].availability_pct, 2)}% available` : "no full hour yet"}`), longStrip(found.history[window], window)))),
    made.node);
}

function longStrip(history, window) {
  const node = strip(history, window);
  node.classList.add("long");
  return node;
}

async function failuresOf(id, signal) {
  try {
    const answer = await api.get("api/failures", { query: { hours: FAILURES_H }, freshMs: RENEWED_S * 500, signal });
    return answer.data.map((each) => ({ ...each, own: each.providers.find((one) => one.provider === id)?.count ?? 0 })).filter((each) => each.own);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return [];
  }
}

function failuresPart(stats, classes) {
  const counts = stats
    ? h("p", { class: "soft" }, `Since the start: ${format.number(stats.calls, 0)} calls, ${format.number(stats.successes, 0)} answered, breaker opened ${stats.breaker_opened} times, ${format.number(stats.rejected_records, 0)} records refused.`)
    : h("p", { class: "soft" }, "Its counts cannot be had now.");
  const own = Object.entries(stats?.failures ?? {}).map(([code, count]) => badge(`${code} × ${count}`));
  return h("div", {}, counts, own.length ? h("p", { class: "row" }, own) : null,
    classes.length === 0 ? empty(`No failed call in ${FAILURES_H} hours.`) : classes.map((each) => h("div", { class: "part-line" },
      h("div", {}, badge(each.code, "warn"), ` ${format.number(each.own, 0)} in ${FAILURES_H} hours. ${each.meaning}`), h("div", { class: "soft" }, each.what_to_do))),
    stats ? identity(stats) : null);
}

/** Names of its own that are not certain to mean an asset, and the newest records that were refused. */
function identity(stats) {
  const { unmapped, unproven, withdrawn, unmatched } = stats.identity;
  const lines = [
    ["No known asset has these tickers", unmapped.count, unmapped.top],
    ["Not proven to be the asset of that ticker", unproven.count, unproven.top.map((each) => each.ticker)],
    ["Taken for another asset before", withdrawn.count, withdrawn.top.map((each) => each.ticker)],
    ["Rows that match no asset", unmatched.count, unmatched.top.map((each) => each.ticker)],
    ["Records refused, the newest", stats.rejected_records, stats.rejected_newest],
  ].filter(([, count]) => count);
  if (!lines.length) return null;
  return h("details", {}, h("summary", {}, "Names and records it sent that do not count"),
    lines.map(([text, count, top]) => h("p", { class: "small" }, `${text}: ${format.number(count, 0)}`, top.length ? h("span", { class: "soft mono" }, ` ${top.join(", ")}`) : null)));
}

const termsPart = (row, entry) => facts([
  ["Documentation", row.docs ? outward(row.docs, row.docs) : format.NONE],
  ["Address", entry?.base_url ?? format.NONE],
  ["Attribution", row.attribution ?? format.NONE],
  ["Category", `${row.category}, ${row.kind}`],
  ["Independent as", row.source],
  ["Key", entry?.key ? `${entry.key}: ${row.has_key ? "set" : "not set"}` : "none needed"],
  ["Brought by", entry?.origin ?? format.NONE],
  ...(entry?.chains.length ? [["Chains", entry.chains.join(", ")]] : []),
  ...(row.reason ? [["Why not in use", `${row.reason}${row.since ? ` (since ${row.since})` : ""}`]] : []),
]);

function adminPart(path, first, told, draw) {
  if (!api.hasKey()) return needsKey("To probe it, switch it off, rank or weigh it");
  let row = first;
  const changed = (answer) => {
    row = answer.data;
    draw(row);
    toggle.replaceWith((toggle = onOff()));
  };
  const patch = async (body) => changed(await api.change("PATCH", path, { body }));
  const onOff = () => action(row.enabled ? "Switch off" : "Switch on", {
    told, danger: row.enabled, ask: row.enabled ? `Switch ${row.name} off? It is not asked any more and its quotes do not count, also after a restart.` : null,
    run: async () => {
      await patch({ enabled: !row.enabled });
      return row.enabled ? "It is in use again." : "It is off.";
    },
  });
  let toggle = onOff();
  const probe = action("Probe now", { told, run: async () => {
    const { data } = await api.change("POST", `${path}/health-check`);
    draw(data.provider);
    return data.ok ? `It answered in ${ms(data.elapsed_ms)}.` : `It failed after ${ms(data.elapsed_ms)}: ${data.failure}.`;
  } });
  const form = adminForm("Save", [
    field("Priority (1 is first)", { type: "number", name: "priority", min: 1, max: 1000, step: 1, value: row.priority ?? "", placeholder: "by rank" }),
    field("Weight in prices", { type: "number", name: "weight", min: 0.01, max: 100, step: "any", value: row.weight ?? "", placeholder: "1" }),
  ], told, async ({ priority, weight }) => {
    await patch({ priority: priority === "" ? null : Number(priority), weight: weight === "" ? null : Number(weight) });
    return "Saved: in force at once, and again after a restart. An empty field is the catalogue's value.";
  });
  return h("div", {}, h("div", { class: "row gap" }, probe, toggle, h("a", { href: `#/system/logs?provider=${encodeURIComponent(row.id)}` }, "Its log lines")), form);
}
