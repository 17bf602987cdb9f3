// System: health, jobs, diagnoses, logs, connections, keys, what admins did. Each view has its own address.

import { heading } from "../parts.js";
import { tabs } from "./controls.js";

const VIEWS = {
  "": { title: "Health", held: true, load: () => import("./system/health.js") },
  jobs: { title: "Jobs", held: true, load: () => import("./system/jobs.js") },
  diagnoses: { title: "Diagnoses", load: () => import("./system/diagnoses.js") },
  logs: { title: "Logs", held: true, load: () => import("./system/logs.js") },
  sessions: { title: "Connections", load: () => import("./system/sessions.js") },
  keys: { title: "Keys", load: () => import("./system/keys.js") },
  audit: { title: "Audit", load: () => import("./system/audit.js") },
};
const LINKS = Object.entries(VIEWS).map(([name, view]) => [`#/system${name ? `/${name}` : ""}`, view.title]);

const named = (name) => (Object.hasOwn(VIEWS, name ?? "") ? (name ?? "") : "");

export const title = ({ rest: [first] }) => (named(first) ? `${VIEWS[named(first)].title} · System` : "System");

export async function show(root, at) {
  const name = named(at.rest[0]);
  const top = heading("System");
  // What comes beside the heading has its room from the start.
  top.classList.toggle("held", Boolean(VIEWS[name].held));
  root.append(top, tabs("System", LINKS, `#/system${name ? `/${name}` : ""}`));
  const page = await VIEWS[name].load();
  if (at.signal.aborted) return;
  await page.show(root, { ...at, rest: at.rest.slice(1), beside: top.querySelector(".beside") });
}
