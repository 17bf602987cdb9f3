// The service's own log: filters that combine, the newest lines, taken away as a file, deleted.

import * as api from "../../api.js";
import { fill, h, setText } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card, every, field } from "../../parts.js";
import { table } from "../../table.js";
import { action, doing, needsKey, outcome, pick, renewed } from "../controls.js";

const LINES = 100;
const RENEWED_S = 5;
const TYPED_MS = 400;
const FILTERS = ["level", "category", "provider", "since", "until", "q"];
const TONES = { debug: "", info: "", warning: "warn", error: "bad", critical: "bad" };
const LEVELS = [["", "All"], ["errors", "Errors and worse"], ...Object.keys(TONES).map((level) => [level, level])];

export async function show(root, { signal, query, go, beside }) {
  if (!api.hasKey()) {
    root.append(card("Log", needsKey("To read the log")));
    return;
  }
  const wanted = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  const told = outcome();
  const holder = h("div");
  const about = h("p", { class: "soft small" });
  const made = lines();
  let typed = 0;
  signal.addEventListener("abort", () => clearTimeout(typed), { once: true });
  const refresh = renewed(holder, signal, async (again) => {
    const answer = await fetched(wanted, again ? 0 : 1_000, signal);
    made.set(numbered(answer.data));
    setText(about, `${answer.data.length} newest ${answer.data.length === 1 ? "line" : "lines"} that fit${answer.meta.complete ? "" : "; older lines were not read through"}.`);
    return made.node;
  }, { rows: 16, restMs: 1_000 });
  const changed = (values) => {
    Object.assign(wanted, values);
    const kept = new URLSearchParams(FILTERS.filter((name) => wanted[name]).map((name) => [name, wanted[name]]));
    go(`#/system/logs${kept.size ? `?${kept}` : ""}`, { replace: true });
    clearTimeout(typed);
    typed = setTimeout(refresh.now, TYPED_MS);
  };
  const live = h("input", { type: "checkbox", checked: true });
  fill(beside, h("label", { class: "row" }, live, "Live"));
  root.append(filters(wanted, changed), actions(wanted, told, refresh), told, about, holder);
  every(RENEWED_S, signal, () => live.checked && refresh.now());
  await refresh.first;
  counts(root, wanted, signal);
}

/** A time as typed (RFC 3339 or the browser's local form) as the API takes it; empty for none. */
const moment = (text) => (text && !Number.isNaN(Date.parse(text)) ? new Date(text).toISOString() : text);

const asked = (wanted) => {
  const { level, ...rest } = wanted;
  return { ...rest, level: level === "errors" ? "" : level, since: moment(wanted.since), until: moment(wanted.until) };
};

async function fetched(wanted, freshMs, signal) {
  const { level, ...rest } = asked(wanted);
  if (wanted.level === "errors") return api.get("api/logs/errors", { query: { ...rest, limit: LINES }, freshMs, signal });
  return api.get("api/logs/recent", { query: { ...rest, level, limit: LINES }, freshMs, signal });
}

/** Rows with a number among those of the same instant and text, so that a table can tell them apart. */
function numbered(rows) {
  const seen = new Map();
  return rows.map((row) => {
    const key = `${row.timestamp} ${row.message}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    return { ...row, key: `${key} ${seen.get(key)}` };
  });
}

const lines = () => table({
  caption: "Lines of the log", id: (row) => row.key, nothing: "No line fits.",
  columns: [
    { id: "at", title: "When", cell: (row) => h("span", { class: "mono" }, format.when(row.timestamp)) },
    { id: "level", title: "Level", cell: (row) => badge(row.level, TONES[row.level] ?? "") },
    { id: "category", title: "Component", cell: (row) => row.category },
    { id: "provider", title: "Provider", wide: true, cell: (row) => (row.provider ? h("a", { href: `#/sources/${encodeURIComponent(row.provider)}` }, row.provider) : h("span", { class: "soft" }, format.NONE)) },
    { id: "message", title: "Line", first: true, cell: (row) => h("div", { class: "told" }, row.message, details(row.details)) },
  ],
});

const details = (given) => {
  const pairs = Object.entries(given);
  return pairs.length ? h("div", { class: "soft small mono" }, pairs.map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join("  ")) : null;
};

function filters(wanted, changed) {
  const text = (label, name, more = {}) => field(label, { name, value: wanted[name], oninput: (event) => changed({ [name]: event.target.value.trim() }), ...more });
  return h("div", { class: "filters" },
    pick("Level", LEVELS, wanted.level, (level) => changed({ level }), { name: "level" }),
    text("Component", "category", { maxlength: 64, size: 12 }),
    text("Provider", "provider", { maxlength: 64, size: 12 }),
    text("Words", "q", { type: "search", maxlength: 100 }),
    text("Since", "since", { type: "datetime-local", step: 1 }),
    text("Until", "until", { type: "datetime-local", step: 1 }));
}

function actions(wanted, told, refresh) {
  const save = (ending) => h("button", { type: "button", onclick: (event) => doing(event.target, told, () => saved(wanted, ending)) }, `Save as ${ending.toUpperCase()}`);
  const before = h("input", { type: "datetime-local", step: 1, name: "before" });
  return h("div", { class: "filters" }, save("json"), save("csv"),
    h("label", { class: "field" }, h("span", {}, "Delete from before"), before),
    action("Delete", { told, danger: true, ask: "Delete the kept lines from before that time; without a time, all of them? They cannot be had back.", run: async () => {
      const gone = await api.change("DELETE", "api/logs", { query: { before: moment(before.value) } });
      refresh.now();
      return `${format.number(gone.deleted_lines, 0)} lines are deleted (${format.bytes(gone.deleted_bytes)}).`;
    } }));
}

/** Fetches the lines that fit and has the browser save them: a key cannot be in an address, so no link can do it. */
async function saved(wanted, ending) {
  if (wanted.level === "errors") return "Choose one level or all of them: a file of “errors and worse” cannot be made.";
  const answer = await api.send("GET", `api/logs/export/${ending}`, { query: asked(wanted) });
  if (answer.status >= 400) throw new api.ApiError(answer.status, JSON.parse(answer.text));
  const url = URL.createObjectURL(new Blob([answer.text], { type: answer.headers.get("content-type") ?? "text/plain" }));
  h("a", { href: url, download: `crypto-dt-source-log.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  return `Saved ${format.bytes(new Blob([answer.text]).size)}.`;
}

/** Lines by level and component, and the room they take, below the list. */
async function counts(root, wanted, signal) {
  try {
    const { data } = await api.get("api/logs/stats", { query: asked(wanted), freshMs: 30_000, signal });
    const { storage } = data;
    root.append(h("p", { class: "soft small" },
      `${format.number(data.total, 0)} lines fit: ${Object.entries(data.by_level).map(([level, n]) => `${n} ${level}`).join(", ") || "none"}. `,
      storage.kept ? `${storage.files} files with ${format.bytes(storage.size_bytes)} of ${format.bytes(storage.room_bytes)} are kept.` : "No file is kept.",
      storage.error ? ` ${storage.error}` : ""));
  } catch (error) {
    if (error.name !== "AbortError" && !(error instanceof api.ApiError)) throw error;
  }
}
