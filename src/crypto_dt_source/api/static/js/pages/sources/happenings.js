// What happened in pools, the newest first, older on demand.

import * as api from "../../api.js";
import { h } from "../../dom.js";
import * as format from "../../format.js";
import { table } from "../../table.js";
import { doing, outcome, renewed } from "../controls.js";

const PER_PAGE = 25;
const WORDS = {
  failed_over: (row) => (row.other ? `${row.provider} answers in the place of ${row.other}` : `${row.provider ?? "a member"} took over`),
  returned: (row) => `${row.provider} is back`,
  rotated: (row) => `${row.provider} is first now, after a rotation`,
  changed: () => "changed", created: () => "made", deleted: () => "deleted", restored: () => "as it comes again",
};

/** `{node, again}`: the list of `path`, with the pool of each where `named`. `again()` renews its newest part. */
export function happenings(path, { signal, named }) {
  let rows = [];
  let before = null;
  const made = table({
    caption: "Events of pools", id: (row) => String(row.number), nothing: "Nothing has happened yet: every member answers in its place.",
    columns: [
      { id: "at", title: "When", first: true, cell: (row) => h("span", { title: format.ago(row.at) }, format.when(row.at)) },
      ...(named ? [{ id: "pool", title: "Pool", cell: (row) => h("a", { href: `#/sources/pools/${encodeURIComponent(row.pool)}` }, row.pool) }] : []),
      { id: "what", title: "What", cell: (row) => h("span", { class: "clip" }, WORDS[row.kind]?.(row) ?? row.kind) },
      { id: "reason", title: "Why", wide: true, cell: (row) => h("span", { class: "clip", title: row.reason }, row.reason || format.NONE) },
    ],
  });
  const told = outcome();
  const older = h("button", { type: "button", hidden: true, onclick: () => doing(older, told, async () => {
    const answer = await api.get(path, { query: { limit: PER_PAGE, before }, signal });
    rows = [...rows, ...answer.data];
    taken(answer.next);
    return "";
  }) }, "Older");
  const node = h("div", {}, made.node, h("div", { class: "pager" }, older, told));
  const holder = h("div");

  function taken(next) {
    before = next;
    older.hidden = next === null;
    made.set(rows);
  }

  // What happens by itself is stored within five seconds: asked sooner, the list would lack what the stream just told.
  const refresh = renewed(holder, signal, async (again) => {
    const answer = await api.get(path, { query: { limit: PER_PAGE }, freshMs: again ? 0 : 5_000, signal });
    const known = new Set(answer.data.map((row) => row.number));
    const kept = rows.filter((row) => !known.has(row.number));
    rows = [...answer.data, ...kept];
    if (kept.length === 0) taken(answer.next);
    else made.set(rows);
    return node;
  }, { rows: 6, restMs: 6_000 });
  return { node: holder, again: refresh.again };
}
