// Pools: who stands in for whom, and what happened among them. `#/sources/pools/{id}` is one of them.

import * as api from "../../api.js";
import { fill, h, setText } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card, every, facts, stateBadge } from "../../parts.js";
import * as stream from "../../stream.js";
import { table } from "../../table.js";
import { action, adminForm, needsKey, outcome, pick, renewed } from "../controls.js";
import { STRATEGIES, editor, maker, memberButtons } from "./editor.js";
import { happenings } from "./happenings.js";

const RENEWED_S = 60;

const link = (id, text = id) => h("a", { href: `#/sources/${encodeURIComponent(id)}` }, text);
const poolLink = (pool) => h("a", { href: `#/sources/pools/${encodeURIComponent(pool.id)}` }, pool.name);

export const show = (root, at) => (at.rest[0] ? one(root, at, at.rest[0]) : all(root, at));

async function all(root, { signal, go }) {
  const made = table({
    caption: "Pools", id: (row) => row.id,
    columns: [
      { id: "name", title: "Pool", first: true, value: (row) => row.name, cell: poolLink },
      { id: "strategy", title: "Strategy", value: (row) => row.strategy, cell: (row) => h("span", { title: STRATEGIES[row.strategy] }, row.strategy.replaceAll("_", " ")) },
      { id: "members", title: "Members", numeric: true, value: (row) => row.members.length, cell: (row) => String(row.members.length) },
      { id: "up", title: "Answer", numeric: true, value: (row) => row.members.filter((each) => each.state === "up").length, cell: (row) => String(row.members.filter((each) => each.state === "up").length) },
      { id: "aside", title: "Set aside", value: (row) => troubled(row).length, cell: (row) => troubled(row).map((each) => each) },
      { id: "kind", title: "Kept by", wide: true, cell: (row) => [row.shipped ? "the catalogue" : "the operator", row.changed && row.shipped ? ", changed" : "", row.enabled ? null : badge("off", "warn")] },
      { id: "first", title: "Asked first", wide: true, cell: (row) => firsts(row) },
    ],
  });
  const holder = h("div");
  root.append(h("p", { class: "soft" }, "A pool says in which order sources of one kind are asked, and who stands in when one fails."), holder);
  const refresh = renewed(holder, signal, async (again) => {
    made.set((await api.get("api/pools", { freshMs: again ? 1_000 : 5_000, signal })).data);
    return made.node;
  }, { rows: 9 });
  const history = happenings("api/pools/history", { signal, named: true });
  live(signal, null, refresh, history);
  await refresh.first;
  if (!signal.aborted) root.append(card("Make a pool", maker(made.rows(), go)), card("What happened", history.node));
}

function troubled(pool) {
  const aside = pool.members.filter((each) => each.set_aside).map((each) => badge(each.provider, "warn", `Set aside: ${each.set_aside.reason}`));
  const stood = pool.members.filter((each) => each.stood_in_for).map((each) => badge(`${each.provider}: stood in for`, "bad", "It failed lately and another answered"));
  return [...aside, ...stood];
}

function firsts(pool) {
  const ids = [...new Set(Object.values(pool.order).map((order) => order[0]).filter(Boolean))];
  return ids.slice(0, 3).flatMap((id, place) => [place ? ", " : "", link(id)]);
}

/** Renews the pools when the stream tells of one of them, and puts what happened on top of the list. */
function live(signal, id, refresh, history) {
  every(RENEWED_S, signal, refresh.now);
  signal.addEventListener("abort", stream.watch("pools", null, (frame) => {
    if (frame.type !== "update" || (id && frame.data.pool !== id)) return;
    refresh.again();
    history.again();
  }), { once: true });
  // Who begins or ends resting leaves or joins the order, before anybody has stood in.
  let resting = null;
  signal.addEventListener("abort", stream.watch("health", null, ({ data }) => {
    const now = [...data.components.providers.resting].sort().join();
    if (now !== (resting ?? "")) refresh.again();
    resting = now;
  }), { once: true });
}

async function one(root, { signal, query, go, named, beside }, id) {
  const path = `api/pools/${encodeURIComponent(id)}`;
  const holder = h("div");
  const shown = h("div");
  const told = outcome();
  const admin = h("div");
  const history = happenings(`${path}/history`, { signal, named: false });
  setText(named, id);
  root.append(holder);
  let chosen = query.get("for") ?? "";
  let latest = null;
  let forms = null;
  const draw = (pool) => {
    latest = pool;
    forms?.update(pool);
    setText(named, `Pool: ${pool.name}`);
    fill(beside, badge(pool.strategy.replaceAll("_", " ")), pool.enabled ? null : badge("off", "warn"), h("a", { href: "#/sources/pools" }, "All pools"));
    if (!pool.capabilities.includes(chosen)) chosen = Object.keys(pool.order).sort((a, b) => pool.order[b].length - pool.order[a].length)[0] ?? pool.capabilities[0] ?? "";
    fill(shown, poolBody(pool, chosen, members, (next) => {
      chosen = next;
      go(`#/sources/pools/${encodeURIComponent(id)}?for=${encodeURIComponent(next)}`, { replace: true });
      draw(latest);
    }));
  };
  const changed = (answer, said) => {
    draw(answer.data);
    history.again();
    return said;
  };
  const members = membersTable((member) => (member.set_aside ? action("Return", {
    told, label: `Return: ${member.provider}`,
    run: async () => changed(await api.change("POST", `${path}/members/${encodeURIComponent(member.provider)}/return`), `${member.provider} takes its place again.`),
  }) : null), api.hasKey() ? (member) => memberButtons(member, path, told, changed, (chosen_) => forms?.edit(chosen_)) : null);
  const refresh = renewed(holder, signal, async (again) => {
    const pool = (await api.get(path, { freshMs: again ? 1_000 : 5_000, signal })).data;
    draw(pool);
    return shown;
  }, { rows: 14 });
  live(signal, id, refresh, history);
  await refresh.first;
  if (!latest || signal.aborted) return;
  forms = await changes(latest, path, { told, changed, go, signal });
  if (signal.aborted) return;
  fill(admin, forms.node);
  root.append(card("Change it", admin, told), card("What happened", history.node));
}

function poolBody(pool, chosen, members, onchoose) {
  const order = pool.order[chosen] ?? [];
  members.set(pool.members.map((member) => ({ ...member, place: order.includes(member.provider) ? order.indexOf(member.provider) + 1 : null, served: chosen, off: !pool.enabled })));
  return h("div", {},
    h("p", {}, STRATEGIES[pool.strategy], " ", pool.enabled ? "" : "It is off and orders nothing."),
    facts([["Category", pool.category], ["Members", String(pool.members.length)], ["Kept by", pool.shipped ? `the catalogue${pool.changed ? ", changed" : ""}` : "the operator"], ["Made", pool.created_at ? format.when(pool.created_at) : "comes with the catalogue"]]),
    h("div", { class: "filters part" }, pick("Order of the asks for", pool.capabilities.map((name) => [name, name]), chosen, onchoose)),
    members.node);
}

/** Why a member stands where it does, in words. */
function why(member) {
  if (member.off) return "the pool is off";
  if (member.set_aside) return `set aside since ${format.when(member.set_aside.since)}, ${member.set_aside.until ? `until ${format.when(member.set_aside.until)}` : "until it is brought back"}: ${member.set_aside.reason}`;
  if (!member.enabled) return "switched off in this pool: asked last";
  if (member.stood_in_for) return "failed lately, another answered for it";
  if (member.place === null) return member.state === "down" ? "rests after failures" : member.state === "off" ? "switched off" : `does not serve ${member.served} now`;
  return member.priority === null ? "by the catalogue's rank" : `by its priority ${member.priority}`;
}

const membersTable = (button, change) => table({
  caption: "Members in the order of the next ask", id: (row) => row.provider, sort: { by: "place", down: false }, nothing: "It has no member.",
  columns: [
    { id: "place", title: "Place", numeric: true, value: (row) => row.place, cell: (row) => row.place ?? format.NONE },
    { id: "name", title: "Member", first: true, value: (row) => row.name, cell: (row) => link(row.provider, row.name) },
    { id: "state", title: "State", value: (row) => row.state, cell: (row) => stateBadge(row.state) },
    { id: "why", title: "Why there", cell: (row) => [h("span", { class: "clip", title: why(row) }, why(row)), " ", button(row)] },
    { id: "priority", title: "Priority", numeric: true, wide: true, value: (row) => row.priority, cell: (row) => row.priority ?? format.NONE },
    { id: "weight", title: "Weight", numeric: true, wide: true, value: (row) => row.weight, cell: (row) => format.number(row.weight, 2) },
    ...(change ? [{ id: "change", title: "Change", cell: change }] : []),
  ],
});

/** `{node, update(pool), edit(member)}`: everything an operator does with a pool. */
async function changes(pool, path, { told, changed, go, signal }) {
  if (!api.hasKey()) return { node: needsKey("To change it, rotate it or set a member aside"), update() {}, edit() {} };
  const { data: pools } = await api.get("api/pools", { freshMs: 60_000, signal });
  const edited = editor(pool, pools, path, { told, changed, go, signal });
  const aside = pick("Member", [], "", null, { name: "provider" });
  const select = aside.querySelector("select");
  const update = (next) => {
    const ids = ["", ...next.members.map((each) => each.provider)];
    edited.update(next);
    if ([...select.options].map((each) => each.value).join() === ids.join() && select.options.length) return;
    const kept = select.value;
    fill(select, ids.map((id) => h("option", { value: id, selected: id === kept }, id || "the first")));
  };
  update(pool);
  const rotate = action("Rotate", { told, run: async () => changed(await api.change("POST", `${path}/rotate`), "The next one is first now.") });
  const form = adminForm("Set aside", [
    aside,
    pick("For", [["", "until brought back"], ["15", "15 minutes"], ["60", "1 hour"], ["1440", "1 day"]], "60", null, { name: "minutes" }),
    h("label", { class: "field" }, h("span", {}, "Reason"), h("input", { type: "text", name: "reason", maxlength: 200, autocomplete: "off" })),
  ], told, async ({ provider, minutes, reason }) => {
    const body = { reason, ...(provider ? { provider } : {}), ...(minutes ? { until: new Date(format.now() + Number(minutes) * 60_000).toISOString() } : {}) };
    return changed(await api.change("POST", `${path}/failover`, { body }), `${provider || "The first"} is set aside; the others are asked before it.`);
  });
  return { node: h("div", {}, h("div", { class: "row gap" }, rotate, h("span", { class: "soft" }, "The first goes behind the others.")), form, edited.node), update, edit: edited.edit };
}
