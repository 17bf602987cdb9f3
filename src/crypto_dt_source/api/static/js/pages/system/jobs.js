// The timetable: each job, when it ran and runs, its runs, and what an admin may do. `#/system/jobs/{id}` shows the runs of one.

import * as api from "../../api.js";
import { fill, h } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card, choice, every, facts, stateBadge } from "../../parts.js";
import * as stream from "../../stream.js";
import { table } from "../../table.js";
import { action, needsKey, outcome, renewed } from "../controls.js";

const RENEWED_S = 60;
const CAUSES = { timetable: "on time", catch_up: "made up for", start: "at the start", person: "asked for", command: "by command", fix: "by a diagnosis" };

const jobLink = (id) => h("a", { class: "mono", href: `#/system/jobs/${encodeURIComponent(id)}` }, id);
const times = (job) => (job.cron ? h("span", { class: "mono" }, job.cron) : job.every_seconds === null ? "none" : `every ${format.duration(job.every_seconds)}`);

/** An instant ahead as the time until it. */
const until = (time) => {
  if (!time) return format.NONE;
  const seconds = (Date.parse(time) - format.now()) / 1000;
  return seconds < 1 ? "now" : `in ${format.duration(seconds)}`;
};

/** How a run ended, in its tone. */
function ended(run) {
  if (!run) return h("span", { class: "soft" }, "not run yet");
  if (run.outcome === null) return badge("running", "warn");
  return badge(run.outcome.replaceAll("_", " "), run.outcome === "ok" ? "ok" : "bad", run.error);
}

const took = (run) => (run?.duration_ms === null || run?.duration_ms === undefined ? format.NONE : format.duration(run.duration_ms / 1000));

export const show = (root, at) => (at.rest[0] ? one(root, at, at.rest[0]) : all(root, at));

/** Calls back when a run begins or ends, of one job or of any. */
function follow(signal, id, act) {
  signal.addEventListener("abort", stream.watch("jobs", null, (frame) => {
    if (frame.type === "update" && (!id || frame.data.job === id)) act(frame.data);
  }), { once: true });
}

function controls(job, told, changed, { plain = false } = {}) {
  if (!api.hasKey()) return null;
  const path = `api/jobs/${encodeURIComponent(job.id)}`;
  const ask = (verb, said) => async () => {
    changed((await api.change("POST", `${path}/${verb}`)).data);
    return `${job.id}: ${said}`;
  };
  const run = action("Run now", { told, label: `Run now: ${job.id}`, data: { action: "run", job: job.id }, off: job.state === "running", run: ask("run", "the run has begun.") });
  const pause = job.paused
    ? action("Resume", { told, label: `Resume: ${job.id}`, data: { action: "resume", job: job.id }, run: ask("resume", "it takes up its times again.") })
    : action("Pause", { told, label: `Pause: ${job.id}`, data: { action: "pause", job: job.id }, run: ask("pause", "its times pass until it is resumed.") });
  return plain ? [run, pause] : h("span", { class: "row nowrap" }, run, pause);
}

async function all(root, { signal, query, go, beside }) {
  let kind = query.get("show") === "all" ? "all" : "timetable";
  const told = outcome();
  const leader = h("p", { class: "soft" });
  const holder = h("div");
  let rows = [];
  const made = table({
    caption: "Jobs", id: (row) => row.id, sort: null,
    columns: [
      { id: "job", title: "Job", first: true, value: (row) => row.id, cell: (row) => jobLink(row.id) },
      { id: "state", title: "State", value: (row) => row.state, cell: (row) => stateBadge(row.state) },
      { id: "times", title: "Times", wide: true, cell: times },
      { id: "last", title: "Last run", value: (row) => row.last_run?.started_at, cell: (row) => [ended(row.last_run), " ", h("span", { class: "soft small", title: format.when(row.last_run?.started_at) }, row.last_run ? format.ago(row.last_run.started_at) : "")] },
      { id: "took", title: "Took", numeric: true, wide: true, value: (row) => row.last_run?.duration_ms, cell: (row) => took(row.last_run) },
      { id: "rows", title: "Rows", numeric: true, wide: true, value: (row) => row.last_run?.rows, cell: (row) => format.number(row.last_run?.rows, 0) },
      { id: "next", title: "Next", numeric: true, value: (row) => row.next_run, cell: (row) => h("span", { title: format.when(row.next_run) }, until(row.next_run)) },
      ...(api.hasKey() ? [{ id: "change", title: "Change", wide: true, cell: (row) => controls(row, told, changed) }] : []),
    ],
  });
  const draw = () => made.set(kind === "all" ? rows : rows.filter((row) => row.setting));
  function changed(row) {
    // A short run is told as ended by the stream before the answer that says it has begun.
    const over = (known) => known.last_run?.ended_at && known.last_run.started_at === row.last_run?.started_at && row.state === "running";
    rows = rows.map((each) => (each.id === row.id && !over(each) ? row : each));
    draw();
  }
  fill(beside, choice("Jobs shown", [["timetable", "Timetable"], ["all", "Internal work too"]], kind, (next) => {
    kind = next;
    go(`#/system/jobs${next === "all" ? "?show=all" : ""}`, { replace: true });
    draw();
  }));
  root.append(api.hasKey() ? told : needsKey("To run or pause a job"), holder, leader);
  const refresh = renewed(holder, signal, async (again) => {
    const answer = await api.get("api/jobs", { freshMs: again ? 0 : 5_000, signal });
    rows = answer.data;
    const { standing, leader: name, since } = answer.scheduler;
    fill(leader, "This process ", standing === "leads" ? "runs the timetable" : standing === "follows" ? "leaves the timetable to another" : "does not know who runs the timetable", name ? ` (${name}${since ? `, since ${format.when(since)}` : ""})` : "", ". Times are UTC.");
    draw();
    return made.node;
  }, { rows: 14 });
  every(RENEWED_S, signal, refresh.now);
  follow(signal, null, (run) => {
    // Internal work runs every few seconds: what the stream tells is put in its row instead of asking for all of them.
    const known = rows.find((row) => row.id === run.job);
    if (known) changed({ ...known, state: known.state === "running" ? "waiting" : known.state, last_run: { ...known.last_run, ...run } });
    if (known?.cron) refresh.again();
  });
  await refresh.first;
}

async function one(root, { signal, beside }, id) {
  const path = `api/jobs/${encodeURIComponent(id)}`;
  const told = outcome();
  const holder = h("div");
  const shown = h("div");
  const runs = table({
    caption: "Runs of the job", id: (row) => row.started_at, nothing: "No run of it is kept yet.",
    columns: [
      { id: "at", title: "Began", first: true, cell: (row) => h("span", { title: format.ago(row.started_at) }, format.when(row.started_at)) },
      { id: "outcome", title: "Outcome", cell: ended },
      { id: "cause", title: "Why", wide: true, cell: (row) => CAUSES[row.cause] ?? row.cause },
      { id: "took", title: "Took", numeric: true, cell: took },
      { id: "rows", title: "Rows", numeric: true, wide: true, cell: (row) => format.number(row.rows, 0) },
      { id: "error", title: "What went wrong", wide: true, cell: (row) => h("span", { class: "clip", title: row.error }, row.error ?? "") },
    ],
  });
  fill(beside, h("a", { href: "#/system/jobs" }, "All jobs"));
  root.append(holder);
  const draw = (job) => fill(shown, card(`Job ${job.id}`, facts([
    ["State", stateBadge(job.state)], ["Times", times(job)], ["Setting", job.setting ?? "internal work"],
    ["Next run", job.next_run ? `${format.when(job.next_run)}` : format.NONE], ["Ended after", format.duration(job.deadline_seconds)],
    ["Last run", ended(job.last_run)],
  ]), api.hasKey() ? null : needsKey("To run or pause it"), h("div", { class: "row part" }, controls(job, told, draw, { plain: true }) ?? []), told), card("Runs", h("p", { class: "soft small" }, "Of 30 days, the newest 50; of internal work those that ended otherwise than the one before."), runs.node));
  const refresh = renewed(holder, signal, async (again) => {
    const freshMs = again ? 0 : 5_000;
    const [job, list] = await Promise.all([api.get(path, { freshMs, signal }), api.get(`${path}/runs`, { freshMs, signal })]);
    runs.set(list.data);
    draw(job.data);
    return shown;
  }, { rows: 12, restMs: 3_000 });
  every(RENEWED_S, signal, refresh.now);
  follow(signal, id, refresh.again);
  await refresh.first;
}
