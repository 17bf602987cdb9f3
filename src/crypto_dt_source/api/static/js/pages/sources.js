// Sources: every provider and how it does, pools, freshness, failures. Each view has its own address.

import { heading } from "../parts.js";
import { tabs } from "./controls.js";

const VIEWS = {
  pools: { title: "Pools", load: () => import("./sources/pools.js") },
  freshness: { title: "Freshness", load: () => import("./sources/freshness.js") },
  failures: { title: "Failures", load: () => import("./sources/failures.js") },
};
const LINKS = [["#/sources", "Providers"], ...Object.entries(VIEWS).map(([name, view]) => [`#/sources/${name}`, view.title])];

const view = (name) => (Object.hasOwn(VIEWS, name ?? "") ? VIEWS[name] : null);

export const title = ({ rest: [first] }) => (first ? `${view(first)?.title ?? first} · Sources` : "Sources");

export async function show(root, at) {
  const [first, second] = at.rest;
  const known = view(first);
  const current = known ? `#/sources/${second ? "" : first}` : first ? null : "#/sources";
  const top = heading("Sources");
  // What comes beside the heading has its room from the start.
  top.classList.toggle("held", !known || first === "failures" || Boolean(second));
  root.append(top, tabs("Sources", LINKS, current));
  const page = known ? await known.load() : first ? await import("./sources/one.js") : await import("./sources/list.js");
  if (at.signal.aborted) return;
  await page.show(root, { ...at, rest: known ? at.rest.slice(1) : at.rest, beside: top.querySelector(".beside"), named: top.querySelector("h1") });
}
