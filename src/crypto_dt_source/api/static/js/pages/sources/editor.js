// Making pools, changing them and their members, deleting them: forms for whoever has a key.

import * as api from "../../api.js";
import { fill, h } from "../../dom.js";
import { field } from "../../parts.js";
import { action, adminForm, needsKey, outcome, pick } from "../controls.js";

export const STRATEGIES = {
  priority: "The first of the order is asked, the next when it fails.",
  round_robin: "The asks go round: each member is first in turn.",
  weighted: "The asks are shared out by weight.",
  least_used: "Whoever has the most of its limits left is asked first.",
  fastest: "Whoever answers quickest is asked first.",
};

const strategies = (chosen) =>
  pick("Strategy", Object.keys(STRATEGIES).map((name) => [name, name.replaceAll("_", " ")]), chosen, null, { name: "strategy" });

const nameField = (value) => field("Name", { name: "name", value, required: true, maxlength: 80 });

/** A field with the categories that pools have already as proposals. */
const categoryField = (pools, value) => [
  field("Category", { name: "category", value, required: true, maxlength: 80, list: "pool-categories" }),
  proposals("pool-categories", [...new Set(pools.map((pool) => pool.category))].sort()),
];

const proposals = (id, values) => h("datalist", { id }, values.map((value) => h("option", { value })));

/** A box for everything that some pool orders the asks of. */
function serves(pools, chosen) {
  const names = [...new Set(pools.flatMap((pool) => pool.capabilities))].sort();
  return h("fieldset", { class: "checks" }, h("legend", {}, "Serves"), names.map((name) =>
    h("label", { class: "row" }, h("input", { type: "checkbox", name: "serves", value: name, checked: chosen.includes(name) }), name.replaceAll("_", " "))));
}

const served = (form) => new FormData(form).getAll("serves");

/** The form for a new pool, which is then shown; `pools` are all there are. */
export function maker(pools, go) {
  const told = outcome();
  const form = adminForm("Make", [
    field("Id", { name: "id", required: true, maxlength: 40, pattern: "[a-z0-9][a-z0-9_\\-]*", title: "a-z, 0-9, - and _", size: 16 }),
    nameField(""), categoryField(pools, ""), strategies("priority"), serves(pools, []),
  ], told, async ({ id, name, category, strategy }, made) => {
    const answer = await api.change("POST", "api/pools", { body: { id, name, category, strategy, capabilities: served(made) } });
    go(`#/sources/pools/${encodeURIComponent(answer.data.id)}`);
    return "It is made; its members come next.";
  });
  return form ? h("div", {}, form, told) : needsKey("To make a pool of your own");
}

/**
 * What changes a pool itself: `{node, update(pool), edit(member)}`, null without a key. `pools` are all there are;
 * `changed(answer, said)` takes up an answer and gives the sentence to tell.
 */
export function editor(first, pools, path, { told, changed, go, signal }) {
  if (!api.hasKey()) return null;
  let pool = first;
  const members = memberForm(() => pool, path, told, changed);
  proposed(members.known, signal);
  const node = h("div", {},
    h("h3", {}, "Settings"), settings(first, pools, path, told, changed),
    h("h3", {}, "Members"), members.form,
    h("div", { class: "row gap" }, ending(first, path, told, changed, go), h("span", { class: "soft" }, first.shipped ? "It is then as the catalogue has it." : "Its members are then asked by their rank.")));
  return { node, edit: members.edit, update: (next) => {
    pool = next;
  } };
}

function settings(pool, pools, path, told, changed) {
  const state = ({ name, strategy, enabled, category, capabilities }) =>
    ({ name, strategy, enabled, ...(pool.shipped ? {} : { category, capabilities: [...capabilities].sort() }) });
  let was = state(pool);
  return adminForm("Save", [
    nameField(pool.name), strategies(pool.strategy),
    pick("In force", [["yes", "yes"], ["no", "no: it orders nothing"]], pool.enabled ? "yes" : "no", null, { name: "enabled" }),
    pool.shipped ? null : [categoryField(pools, pool.category), serves(pools, pool.capabilities)],
  ], told, async ({ name, strategy, enabled, category }, form) => {
    const now = state({ name, strategy, enabled: enabled === "yes", category, capabilities: served(form) });
    // What somebody else changed meanwhile stays: only what was changed here is sent.
    const body = Object.fromEntries(Object.entries(now).filter(([key, value]) => String(value) !== String(was[key])));
    if (Object.keys(body).length === 0) return "Nothing is different from what it is.";
    const answer = await api.change("PUT", path, { body });
    was = now;
    return changed(answer, "The pool is changed.");
  });
}

/** The form for one member, new or there already, whose values then stand in it. */
function memberForm(pool, path, told, changed) {
  const input = (label, properties) => {
    const node = field(label, properties);
    return [node, node.querySelector("input")];
  };
  const known = h("datalist", { id: "pool-providers" });
  const there = (id) => pool().members.find((each) => each.provider === id);
  const [providerField, provider] = input("Provider", { name: "provider", required: true, maxlength: 64, list: "pool-providers", oninput: () => show(there(provider.value.trim())) });
  const [priorityField, priority] = input("Priority (empty: its rank)", { name: "priority", type: "number", min: 1, max: 10_000, step: 1 });
  const [weightField, weight] = input("Weight", { name: "weight", type: "number", min: 0.01, max: 1000, step: "any", required: true, value: "1" });
  const asked = pick("Asked", [["yes", "in its place"], ["no", "last"]], "yes", null, { name: "asked" });
  const show = (member) => {
    priority.value = member?.priority ?? "";
    weight.value = member?.weight ?? 1;
    asked.querySelector("select").value = member?.enabled ?? true ? "yes" : "no";
  };
  const form = adminForm("Put in", [providerField, known, priorityField, weightField, asked], told, async (given) => {
    const id = given.provider.trim();
    const old = there(id);
    const body = { priority: given.priority === "" ? null : Number(given.priority), weight: Number(given.weight), enabled: given.asked === "yes" };
    const answer = await api.change(old ? "PUT" : "POST", `${path}/members/${encodeURIComponent(id)}`, { body });
    provider.value = "";
    show(null);
    return changed(answer, old ? `${id} is changed.` : `${id} is a member now.`);
  });
  return { form, known, edit: (member) => {
    provider.value = member.provider;
    show(member);
    priority.focus();
  } };
}

/** Puts the providers there are into the proposals. Without them an id is typed as well. */
async function proposed(node, signal) {
  try {
    const { data } = await api.get("api/providers", { freshMs: 60_000, signal });
    fill(node, data.map((row) => h("option", { value: row.id, label: row.name })));
  } catch (error) {
    if (error.name !== "AbortError" && !(error instanceof api.ApiError)) throw error;
  }
}

function ending(pool, path, told, changed, go) {
  if (pool.shipped) {
    return action("Restore", { told, danger: true, ask: `Restore “${pool.name}”? What was changed in it is lost.`, run: async () => {
      await api.change("DELETE", path);
      return changed(await api.get(path, { freshMs: 0 }), "The pool is as it comes.");
    } });
  }
  return action("Delete", { told, danger: true, ask: `Delete the pool “${pool.name}”? It cannot be had back.`, run: async () => {
    await api.change("DELETE", path);
    go("#/sources/pools");
    return "The pool is deleted.";
  } });
}

/** The buttons of a member's row. */
export const memberButtons = (member, path, told, changed, edit) => h("span", { class: "row nowrap" },
  h("button", { type: "button", "aria-label": `Edit: ${member.provider}`, onclick: () => edit(member) }, "Edit"),
  action("Take out", {
    told, danger: true, label: `Take out: ${member.provider}`, ask: `Take ${member.provider} out of the pool? It is then asked last.`,
    run: async () => changed(await api.change("DELETE", `${path}/members/${encodeURIComponent(member.provider)}`), `${member.provider} is no member any more.`),
  }));
