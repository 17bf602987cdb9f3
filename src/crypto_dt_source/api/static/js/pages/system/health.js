// The service's components as the stream of health tells them, and its key figures.

import * as api from "../../api.js";
import { fill, h, setText } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card, every, failure, meter, stateBadge } from "../../parts.js";
import * as stream from "../../stream.js";
import { table } from "../../table.js";
import { renewed } from "../controls.js";

const RENEWED_S = 30;
const NAMES = {
  database: "Database", providers: "Providers", models: "Models", websocket: "Stream of clients", cache: "Cache", scheduler: "Timetable",
  limiter: "Rate limits", streams: "Streams of venues", backup: "Backup", shipping: "Shipping", archive: "Archive",
};
const count = (value) => format.number(value, 0);

/** What a component has to tell beside its state. */
const TELLS = {
  database: (c) => c.dialect,
  providers: (c) => `${c.in_use} in use, ${c.fresh} with fresh quotes${c.resting.length ? `, ${c.resting.length} rest: ${c.resting.join(", ")}` : ""}`,
  models: (c) => `${c.ready.join(", ") || "none"} in memory, ${c.default} scores the news${Object.entries(c.failed).map(([id, why]) => `; ${id}: ${why}`).join("")}`,
  websocket: (c) => `${count(c.connections)} connected, ${count(c.accepted)} accepted and ${count(c.refused)} refused since the start`,
  cache: (c) => `${count(c.entries)} entries, ${count(c.hits)} hits, ${count(c.misses)} misses`,
  scheduler: (c) => `this process ${c.leadership.standing}${c.leadership.leader ? `, ${c.leadership.leader} runs the timetable` : ""}`,
  limiter: (c) => `${c.kind}, ${count(c.failures)} failures, ${count(Object.values(c.refused).reduce((sum, n) => sum + n, 0))} requests turned away`,
  streams: (c) => `${Object.values(c.venues).filter((venue) => venue.state === "live").length} of ${Object.keys(c.venues).length} live`,
  backup: (c) => (c.last ? `last ${format.when(c.last.at)}: ${c.last.outcome}${c.last.size_bytes === null ? "" : `, ${format.bytes(c.last.size_bytes)}`}, to ${c.last.target}` : "none made yet"),
  shipping: (c) => (c.shipped ? `to ${c.shipped.target}, confirmed ${c.shipped.confirmed ? format.when(c.shipped.confirmed) : "never"}, ${format.duration(c.shipped.behind_seconds)} behind, ${count(c.shipped.segments)} segments and ${count(c.shipped.copies)} copies` : "not set up: SHIP_URL names a target"),
  archive: (c) => (c.target ? `to ${c.target}` : "not set up: ARCHIVE_URL names a target"),
};

export async function show(root, { signal, beside }) {
  const components = componentTable();
  const venues = venueTable();
  const figures = h("div", { class: "figures" });
  root.append(
    card("Components", h("div", { class: "components" }, components.node)),
    figures,
    card("Streams of venues", venues.node),
  );
  signal.addEventListener("abort", stream.watch("health", null, ({ data }) => {
    fill(beside, h("span", { role: "status" }, "The service is ", stateBadge(data.status)));
    components.set(Object.entries(data.components).map(([id, each]) => ({ id, ...each })));
    venues.set(Object.entries(data.components.streams.venues).map(([id, each]) => ({ id, ...each })));
  }), { once: true });
  const refresh = renewed(figures, signal, async (again) => {
    const freshMs = again ? 0 : 5_000;
    const [metrics, stats] = await Promise.all([
      // An operator may keep the metrics for those with a key; the statistics are everybody's.
      api.get("api/metrics", { freshMs, signal }).catch((error) => {
        if (error.status === 401 || error.status === 403) return error;
        throw error;
      }),
      api.get("api/stats", { freshMs, signal }),
    ]);
    return metrics instanceof api.ApiError ? h("div", {}, statsOf(stats.data), failure(metrics)) : figuresOf(metrics.data, stats.data);
  }, { rows: 16 });
  every(RENEWED_S, signal, refresh.now);
  await refresh.first;
}

const componentTable = () => table({
  caption: "State of each component", id: (row) => row.id, nothing: "Waiting for the stream.",
  columns: [
    { id: "name", title: "Component", first: true, cell: (row) => NAMES[row.id] ?? row.id },
    { id: "state", title: "State", cell: (row) => stateBadge(row.status, row.reason) },
    { id: "since", title: "Since", wide: true, cell: (row) => h("span", { title: format.ago(row.since) }, format.when(row.since)) },
    { id: "why", title: "What it tells", cell: (row) => h("div", { class: "told" }, row.reason ? h("div", {}, row.reason) : null, h("div", { class: "soft" }, TELLS[row.id]?.(row) ?? "")) },
  ],
});

const venueTable = () => table({
  caption: "Stream of each venue", id: (row) => row.id, nothing: "No stream is read.", sort: { by: "name", down: false },
  columns: [
    { id: "name", title: "Venue", first: true, value: (row) => row.id, cell: (row) => h("a", { href: `#/sources/${encodeURIComponent(row.id)}` }, row.id) },
    { id: "state", title: "State", value: (row) => row.state, cell: (row) => stateBadge(row.state, row.reason) },
    { id: "topics", title: "Topics", numeric: true, value: (row) => row.subscribed, cell: (row) => `${row.subscribed} of ${row.wanted}` },
    { id: "data", title: "Newest record", numeric: true, cell: (row) => format.ago(row.last_data) },
    { id: "again", title: "Made again", numeric: true, wide: true, value: (row) => row.reconnects, cell: (row) => count(row.reconnects) },
    { id: "gaps", title: "Gaps", numeric: true, wide: true, value: (row) => row.gaps, cell: (row) => count(row.gaps) },
    { id: "why", title: "Why", wide: true, cell: (row) => h("span", { class: "clip", title: row.reason }, row.reason ?? "") },
  ],
});

function tile(name, value, more = "") {
  const node = h("div", { class: "tile" }, h("span", { class: "soft small" }, name), h("strong"), h("span", { class: "small soft" }, more));
  setText(node.querySelector("strong"), value);
  return node;
}

const statsOf = (stats) => h("div", { class: "tiles" },
  tile("Runs for", format.duration(stats.uptime_seconds)),
  tile("Requests, last hour", count(stats.requests.last_hour)),
  tile("Requests, 24 h", count(stats.requests.last_24h)),
  tile("Upstream calls, 24 h", count(stats.upstreams.calls_24h), `${count(stats.upstreams.failures_24h)} failed`),
  tile("Assets priced", count(stats.assets.priced), `of ${count(stats.assets.known)}`));

function figuresOf(metrics, stats) {
  const { requests, upstreams, cache, store } = metrics;
  const asked = cache.hits + cache.misses;
  const failed = Object.values(upstreams.failures).reduce((sum, each) => sum + each, 0);
  const tiles = h("div", { class: "tiles" },
    tile("Runs for", format.duration(metrics.uptime_seconds)),
    tile("Requests, last hour", count(requests.last_hour), requests.last_hour_mean_ms === null ? "" : `${format.number(requests.last_hour_mean_ms, 1)} ms each`),
    tile("Requests, 24 h", count(stats.requests.last_24h)),
    tile("Upstream calls", count(upstreams.calls), `${count(failed)} failed`),
    tile("Upstream calls, 24 h", count(stats.upstreams.calls_24h), `${count(stats.upstreams.failures_24h)} failed`),
    tile("Assets priced", count(stats.assets.priced), `of ${count(stats.assets.known)}`),
    tile("Cache hits", asked ? format.share(cache.hits / asked) : format.NONE, `${count(cache.entries)} entries`),
    tile("Database", format.bytes(store.size_bytes), store.waiting_writes ? `${count(store.waiting_writes)} writes wait` : store.dialect),
    tile("Stream", count(metrics.stream.connections), "connections"),
    tile("Memory", format.bytes(metrics.process.resident_bytes)),
    tile("Processor", format.duration(metrics.process.cpu_seconds), "used"),
    tile("Log lines", count(Object.values(metrics.log.lines).reduce((sum, each) => sum + each, 0)), `${count((metrics.log.lines.error ?? 0) + (metrics.log.lines.critical ?? 0))} errors`));
  return h("div", {}, tiles, h("div", { class: "grid" },
    card("Requests by route", routeTable(requests.routes)),
    h("div", {}, card("Scarcest upstream limits", scarce(metrics.scarce_budgets)), card("Models in the service", models(metrics.models)))));
}

function routeTable(routes) {
  const most = (value) => (value === null ? format.NONE : format.number(value, 1));
  const made = table({
    caption: "Requests and latency by route", id: (row) => row.route, sort: { by: "count", down: true }, nothing: "No request yet.",
    columns: [
      { id: "route", title: "Route", first: true, value: (row) => row.route, cell: (row) => h("span", { class: "mono clip", title: row.route }, row.route) },
      { id: "count", title: "Requests", numeric: true, value: (row) => row.count, cell: (row) => count(row.count) },
      { id: "errors", title: "Errors", numeric: true, value: (row) => row.errors, cell: (row) => count(row.errors) },
      { id: "mean", title: "Mean, ms", numeric: true, wide: true, value: (row) => row.mean_ms, cell: (row) => most(row.mean_ms) },
      { id: "p95", title: "95th, ms", numeric: true, wide: true, value: (row) => row.p95_at_most_ms, cell: (row) => most(row.p95_at_most_ms) },
    ],
  });
  made.set([...routes].sort((a, b) => b.count - a.count).slice(0, 20));
  return made.node;
}

const scarce = (rows) => h("div", {}, rows.length ? rows.slice(0, 8).map((row) => h("div", { class: "part-line" },
  h("div", {}, `${row.scope}: ${count(row.amount)} per ${format.duration(row.per_seconds)}`),
  meter(row.left_pct / 100, `${count(row.left)} left`, row.left_pct < 10 ? "bad" : row.left_pct < 30 ? "warn" : ""))) : h("p", { class: "empty" }, "Nothing is used of any limit."));

const models = (rows) => h("div", {}, rows.map((row) => h("div", { class: "part-line row" },
  h("span", { class: "mono" }, row.id), row.state === "ready" ? badge("ready", "ok") : stateBadge(row.state),
  h("span", { class: "soft small" }, [row.memory_mb === null ? "" : `${format.number(row.memory_mb, 0)} MB`, row.latency_p50_ms === null ? "" : `${format.number(row.latency_p50_ms, 0)} ms`].filter(Boolean).join(", ")))));
