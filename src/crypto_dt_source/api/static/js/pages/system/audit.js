// What admins did, the newest first.

import * as api from "../../api.js";
import { h } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card } from "../../parts.js";
import { table } from "../../table.js";
import { doing, needsKey, outcome, renewed } from "../controls.js";

const PER_PAGE = 100;

export async function show(root, { signal }) {
  if (!api.hasKey()) {
    root.append(card("Audit log", needsKey("To see what admins did")));
    return;
  }
  let rows = [];
  let before = null;
  const told = outcome();
  const made = table({
    caption: "Actions of admins", id: (row) => String(row.number), nothing: "No admin has changed anything yet.",
    columns: [
      { id: "at", title: "When", first: true, cell: (row) => h("span", { title: format.ago(row.at) }, format.when(row.at)) },
      { id: "action", title: "What", cell: (row) => h("span", { class: "mono" }, row.action) },
      { id: "target", title: "To what", wide: true, cell: (row) => h("span", { class: "clip mono", title: row.target }, row.target || format.NONE) },
      { id: "status", title: "Answer", cell: (row) => (row.status === null ? format.NONE : badge(String(row.status), row.status < 400 ? "ok" : "bad")) },
      { id: "actor", title: "Who", wide: true, cell: (row) => [h("span", { class: "mono small" }, row.actor), h("div", { class: "soft small" }, row.address)] },
      { id: "request", title: "Request", wide: true, cell: (row) => h("span", { class: "mono small" }, row.request_id) },
    ],
  });
  const older = h("button", { type: "button", hidden: true, onclick: () => doing(older, told, async () => {
    take(await api.get("api/auth/audit", { query: { limit: PER_PAGE, before }, signal }));
    return "";
  }) }, "Older");
  function take(answer) {
    rows = [...rows, ...answer.data];
    before = answer.next;
    older.hidden = before === null;
    made.set(rows);
  }
  const holder = h("div");
  root.append(h("p", { class: "soft" }, "Every action that needed the admin scope, here or by a command."), holder, h("div", { class: "pager" }, older, told));
  await renewed(holder, signal, async () => {
    rows = [];
    take(await api.get("api/auth/audit", { query: { limit: PER_PAGE }, freshMs: 0, signal }));
    return made.node;
  }, { rows: 12 }).first;
}
