// The service examines itself: the last diagnosis, a new one, and what it would put right.

import * as api from "../../api.js";
import { fill, h } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card, empty, facts, load } from "../../parts.js";
import { table } from "../../table.js";
import { action, needsKey, outcome } from "../controls.js";

const TONES = { ok: "ok", info: "", warning: "warn", error: "bad", critical: "bad", found: "warn", failed: "bad", hung: "bad", planned: "", fixed: "ok", not_fixed: "bad" };

const word = (text) => badge(text.replaceAll("_", " "), TONES[text] ?? "");

export async function show(root, { signal }) {
  if (!api.hasKey()) {
    root.append(card("Diagnosis", needsKey("To examine the service")));
    return;
  }
  const told = outcome();
  const holder = h("div");
  const thorough = h("input", { type: "checkbox", name: "thorough" });
  const run = (text, query, more = {}) => action(text, { told, ...more, run: async () => {
    const found = await api.change("POST", "api/diagnostics/run", { query: { ...query, thorough: thorough.checked || null } });
    fill(holder, diagnosis(found));
    return `${found.total_checks} checks in ${format.duration(found.took_ms / 1000)}: ${found.issues_found} ${found.issues_found === 1 ? "finding" : "findings"}.`;
  } });
  root.append(
    h("div", { class: "row gap" },
      run("Examine now", {}),
      run("Say what would be fixed", { auto_fix: true, dry_run: true }),
      run("Fix what is safe", { auto_fix: true }, { ask: "Put right what is safe and reversible? Each fix is in the audit log." }),
      h("label", { class: "row" }, thorough, "Read the whole database (slow on a large one)")),
    told, holder);
  await load(holder, signal, async () => {
    try {
      return diagnosis(await api.get("api/diagnostics/last", { freshMs: 0, signal }));
    } catch (error) {
      // Nothing was examined yet: that is an answer, not a failure.
      if (error.code === "no_data_yet") return empty(error.message);
      throw error;
    }
  }, 12);
}

function diagnosis(found) {
  return h("div", {},
    card("Diagnosis", facts([
      ["State", word(found.status)], ["When", format.when(found.timestamp)], ["Took", format.duration(found.took_ms / 1000)],
      ["Checks", String(found.total_checks)], ["Findings", String(found.issues_found)], ["Left", String(found.issues_left)],
      ["Kind", found.auto_fix ? (found.dry_run ? "what would be fixed" : "with fixes") : "examined only"],
    ])),
    card("Findings", found.issues.length ? found.issues.map(issue) : empty("Nothing is wrong.")),
    found.fixes_applied.length ? card(found.dry_run ? "What would be done" : "What was done", found.fixes_applied.map(fix)) : null,
    card("Checks", checks(found.checks)));
}

const issue = (row) => h("div", { class: "part-line" },
  h("h3", {}, word(row.severity), " ", row.found), h("p", {}, row.meaning), h("p", {}, h("strong", {}, "What to do: "), row.advice),
  h("p", { class: "soft small" }, h("span", { class: "mono" }, row.id), row.subject ? `, ${row.subject}` : "", row.fixed ? ", fixed" : row.fixable ? `, can be fixed: ${row.fix}` : ""));

const fix = (row) => h("div", { class: "part-line" }, word(row.outcome), ` ${row.action}`, row.subject ? ` (${row.subject})` : "", row.detail ? h("div", { class: "soft" }, row.detail) : null);

function checks(rows) {
  const made = table({
    caption: "Checks of the diagnosis", id: (row) => row.id,
    columns: [
      { id: "id", title: "Check", first: true, value: (row) => row.id, cell: (row) => h("span", { class: "mono" }, row.id) },
      { id: "about", title: "Looks at", wide: true, cell: (row) => row.about },
      { id: "outcome", title: "Outcome", value: (row) => row.outcome, cell: (row) => word(row.outcome) },
      { id: "took", title: "Took, ms", numeric: true, wide: true, value: (row) => row.took_ms, cell: (row) => format.number(row.took_ms, 0) },
    ],
  });
  made.set(rows);
  return made.node;
}
