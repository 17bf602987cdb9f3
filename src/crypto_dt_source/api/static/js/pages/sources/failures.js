// What upstreams refused, by class, each with its meaning and what to do.

import * as api from "../../api.js";
import { fill, h } from "../../dom.js";
import * as format from "../../format.js";
import { badge, choice, empty, every } from "../../parts.js";
import { renewed } from "../controls.js";

const SPANS = [[1, "1 hour"], [24, "24 hours"], [168, "7 days"]];
const RENEWED_S = 60;
const SHOWN = 24;

const providers = (rows) => h("p", { class: "row small" },
  rows.slice(0, SHOWN).map((row) => h("a", { class: "badge", href: `#/sources/${encodeURIComponent(row.provider)}` }, `${row.provider} × ${format.number(row.count, 0)}`)),
  rows.length > SHOWN ? h("span", { class: "soft" }, `and ${rows.length - SHOWN} more`) : null);

const one = (row) => h("section", { class: "card", "aria-labelledby": `f-${row.code}` },
  h("h2", { id: `f-${row.code}` }, badge(row.code, "warn"), ` ${format.number(row.count, 0)} ${row.count === 1 ? "call" : "calls"}`),
  h("p", {}, row.meaning), h("p", {}, h("strong", {}, "What to do: "), row.what_to_do), providers(row.providers));

export async function show(root, { signal, query, go, beside }) {
  let hours = SPANS.find(([value]) => String(value) === query.get("hours"))?.[0] ?? 24;
  const holder = h("div");
  fill(beside, choice("Span", SPANS, hours, (next) => {
    hours = next;
    go(`#/sources/failures${next === 24 ? "" : `?hours=${next}`}`, { replace: true });
    refresh.now();
  }));
  root.append(holder);
  const refresh = renewed(holder, signal, async (again) => {
    let answer = null;
    for (let asked = null; asked !== hours;) {
      asked = hours;
      answer = await api.get("api/failures", { query: { hours: asked }, freshMs: again ? 2_000 : RENEWED_S * 500, signal });
    }
    return h("div", {}, h("p", { class: "soft" }, `Upstream calls that failed since ${format.when(answer.meta.since)}, the most frequent class first.`),
      answer.data.length ? answer.data.map(one) : empty("No call failed."));
  }, { rows: 10 });
  every(RENEWED_S, signal, refresh.now);
  await refresh.first;
}
