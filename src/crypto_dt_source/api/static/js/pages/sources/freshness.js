// How old each kind of data is, and from whom the newest came.

import * as api from "../../api.js";
import { h } from "../../dom.js";
import * as format from "../../format.js";
import { badge, every } from "../../parts.js";
import { table } from "../../table.js";
import { renewed } from "../controls.js";

const RENEWED_S = 30;

const sources = (names) => {
  if (!names.length) return h("span", { class: "soft" }, format.NONE);
  const shown = names.slice(0, 4).flatMap((id, place) => [place ? ", " : "", h("a", { href: `#/sources/${encodeURIComponent(id)}` }, id)]);
  return h("span", { title: names.join(", ") }, shown, names.length > 4 ? ` and ${names.length - 4} more` : "");
};

function word(row) {
  if (!row.held) return badge("not asked for yet", "", "Nothing of it is held: it is fetched when somebody asks");
  return row.stale ? badge("stale", "warn", "Older than its time to live") : badge("fresh", "ok");
}

export async function show(root, { signal }) {
  const made = table({
    caption: "Age of each kind of data", id: (row) => row.kind, sort: { by: "kind", down: false },
    columns: [
      { id: "kind", title: "Kind", first: true, value: (row) => row.kind, cell: (row) => row.kind.replaceAll("_", " ") },
      { id: "state", title: "State", value: (row) => (row.held ? Number(row.stale) : 2), cell: word },
      { id: "age", title: "Age of the newest", numeric: true, value: (row) => row.age_seconds, cell: (row) => h("span", { title: format.when(row.fetched_at) }, format.duration(row.age_seconds)) },
      { id: "ttl", title: "Good for", numeric: true, value: (row) => row.ttl_seconds, cell: (row) => format.duration(row.ttl_seconds) },
      { id: "held", title: "Held", numeric: true, wide: true, value: (row) => row.held, cell: (row) => format.number(row.held, 0) },
      { id: "source", title: "From", wide: true, cell: (row) => sources(row.source) },
    ],
  });
  const holder = h("div");
  root.append(h("p", { class: "soft" }, "When something older than its time to live is asked for, it is fetched anew; where no source answers, the last that is known is given and marked as stale."), holder);
  const refresh = renewed(holder, signal, async (again) => {
    made.set((await api.get("api/freshness", { freshMs: again ? 0 : 5_000, signal })).data);
    return made.node;
  }, { rows: 20 });
  every(RENEWED_S, signal, refresh.now);
  await refresh.first;
}
