// Connections to the stream: totals for everybody, each of them for an admin, and a notice to all.

import * as api from "../../api.js";
import { h } from "../../dom.js";
import * as format from "../../format.js";
import { card, every, facts } from "../../parts.js";
import { table } from "../../table.js";
import { adminForm, needsKey, outcome, pick, renewed } from "../controls.js";

const RENEWED_S = 30;
const count = (value) => format.number(value, 0);
const pairs = (found) => Object.entries(found).map(([name, n]) => `${name} ${count(n)}`).join(", ") || format.NONE;

export async function show(root, { signal }) {
  const totals = h("div");
  const list = h("div");
  const told = outcome();
  root.append(
    card("All connections", totals),
    card("Each connection", api.hasKey() ? list : needsKey("To see each")),
    card("Tell everybody", notice(told) ?? needsKey("To tell every connection something"), told));
  const refresh = renewed(totals, signal, async (again) => totalsOf((await api.get("ws/stats", { freshMs: again ? 0 : 3_000, signal })).data), { rows: 4 });
  every(RENEWED_S, signal, refresh.now);
  if (api.hasKey()) {
    const made = sessionTable();
    const each = renewed(list, signal, async (again) => {
      made.set((await api.get("api/sessions", { query: { page_size: 250 }, freshMs: again ? 0 : 3_000, signal })).data);
      return made.node;
    }, { rows: 6 });
    every(RENEWED_S / 3, signal, each.now);
  }
  await refresh.first;
}

const totalsOf = (data) => facts([
  ["Connections", count(data.connections)], ["Kinds", pairs(data.by_kind)], ["Tiers", pairs(data.by_tier)], ["Subscriptions", count(data.subscriptions)],
  ["Accepted", count(data.accepted)], ["Refused", count(data.refused)], ["Frames published", count(data.published)], ["Frames delivered", count(data.delivered)],
  ["Waiting", format.bytes(data.waiting_bytes)], ["Conflated", count(data.conflated)], ["Closed, by code", pairs(data.closed_by_code)],
]);

const follows = (row) => row.subscriptions.map((each) => `${each.channel}${each.symbols ? ` ${each.symbols.join(" ")}` : ""}`).join(", ");

const sessionTable = () => table({
  caption: "Connections to the stream", id: (row) => row.session, nothing: "Nobody is connected.",
  columns: [
    { id: "session", title: "Connection", first: true, cell: (row) => h("span", { class: "mono" }, row.session) },
    { id: "who", title: "Who", cell: (row) => h("span", { class: "mono small" }, row.key ?? row.address, h("div", { class: "soft" }, row.key ? row.address : "no key")) },
    { id: "kind", title: "Kind", wide: true, value: (row) => row.kind, cell: (row) => [row.kind, h("div", { class: "soft small" }, row.tier)] },
    { id: "since", title: "For", numeric: true, value: (row) => row.connected_at, cell: (row) => h("span", { title: format.when(row.connected_at) }, format.duration((format.now() - Date.parse(row.connected_at)) / 1000)) },
    { id: "follows", title: "Follows", wide: true, cell: (row) => h("span", { class: "clip small", title: follows(row) }, follows(row)) },
    { id: "used", title: "Subscriptions", numeric: true, wide: true, value: (row) => row.subscriptions_used, cell: (row) => `${row.subscriptions_used} of ${row.subscriptions_allowed ?? "∞"}` },
    { id: "lag", title: "Behind", numeric: true, value: (row) => row.lag.bytes, cell: (row) => format.bytes(row.lag.bytes) },
    { id: "sent", title: "Sent", numeric: true, wide: true, value: (row) => row.sent, cell: (row) => count(row.sent) },
    { id: "errors", title: "Errors", numeric: true, wide: true, value: (row) => row.errors, cell: (row) => count(row.errors) },
  ],
});

const notice = (told) => adminForm("Send", [
  h("label", { class: "field wide-field" }, h("span", {}, "Notice"), h("input", { type: "text", name: "message", required: true, maxlength: 1000, autocomplete: "off" })),
  pick("Level", [["info", "info"], ["warning", "warning"], ["critical", "critical"]], "info", null, { name: "level" }),
], told, async ({ message, level }, form) => {
  const { sent_to } = await api.change("POST", "api/broadcast", { body: { message, level } });
  form.reset();
  return `Sent to ${count(sent_to)} ${sent_to === 1 ? "connection" : "connections"}.`;
});
