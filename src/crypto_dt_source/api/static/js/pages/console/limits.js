// What the caller may still ask: of a key what the server says of it, without one what the headers of answers say.

import * as api from "../../api.js";
import { fill, h } from "../../dom.js";
import * as format from "../../format.js";
import { card, every, facts, load, meter } from "../../parts.js";

const RENEWED_S = 30;
const LEAST = "api/prices/BTC"; // a small answer, asked for its headers where none was seen yet

/** The card, renewed while the page is looked at. */
export function limitsCard(signal) {
  const area = h("div", { class: "limits" });
  const renew = () => load(area, signal, () => (api.hasKey() ? ofKey(signal) : ofAddress(signal)), 3);
  renew();
  if (api.hasKey()) every(RENEWED_S, signal, renew);
  else {
    const stop = api.onLimits(() => fill(area, seen()));
    signal.addEventListener("abort", stop, { once: true });
  }
  return card("Your limits", area);
}

async function ofKey(signal) {
  const [me, usage] = await Promise.all([api.get("api/auth/me", { freshMs: 0, signal }), api.get("api/usage", { freshMs: 0, signal })]);
  const { limits } = me.data;
  const most = (value, unit) => (value === null ? "no bound" : `${format.number(value, 0)} ${unit}`);
  return [
    facts([
      ["Key", `${me.data.name} (${me.data.prefix})`], ["Tier", me.data.tier], ["May", me.data.scopes.join(", ")], ["Ends", me.data.expires_at ? format.when(me.data.expires_at) : "never"],
      ["Symbols a call", most(limits.symbols, "")], ["History", most(limits.history_days, "days")], ["Connections", most(limits.connections, "")], ["Subscriptions", most(limits.subscriptions, "each")],
    ]),
    h("div", { class: "spent" }, spent("This window", usage.data.window), spent("Today", usage.data.day)),
  ];
}

function spent(name, { limit, used, reset_seconds: seconds }) {
  const again = seconds === null ? "" : `, anew in ${format.duration(seconds)}`;
  if (limit === null) return h("p", { class: "small" }, h("strong", {}, name), ` ${used === null ? "not counted" : `${format.number(used, 0)} requests`}, no bound${again}`);
  return h("div", { class: "small" }, h("strong", {}, name), meter(used / limit, `${format.number(used, 0)} of ${format.number(limit, 0)} requests${again}`, used >= limit ? "bad" : used > limit * 0.8 ? "warn" : ""));
}

async function ofAddress(signal) {
  if (!api.limits()) await api.get(LEAST, { signal });
  return seen();
}

/** A header of structured fields as `[{name, q, w, r, t}]`: `"minute";q=30;w=60, "day";q=1000;w=86400`. */
function parsed(header) {
  return (header ?? "").split(",").map((item) => {
    const [name, ...pairs] = item.trim().split(";");
    return { name: name.replaceAll('"', ""), ...Object.fromEntries(pairs.map((pair) => [pair.split("=")[0].trim(), Number(pair.split("=")[1])])) };
  }).filter((item) => item.name);
}

function seen() {
  const known = api.limits();
  if (!known) return h("p", { class: "soft" }, "No answer has named a limit.");
  const policies = parsed(known.policy);
  const left = new Map(parsed(known.left).map((item) => [item.name, item]));
  return [
    h("p", { class: "small soft" }, "Without a key your network address counts. These are the limits the last answer named; a key has its own."),
    h("div", { class: "spent" }, policies.map((policy) => {
      const now = left.get(policy.name);
      const every = `${format.number(policy.q, 0)} requests a ${policy.name}`;
      if (!now) return h("p", { class: "small" }, h("strong", {}, every));
      const used = policy.q - now.r;
      return h("div", { class: "small" }, h("strong", {}, every), meter(used / policy.q, `${format.number(now.r, 0)} left, anew in ${format.duration(now.t)}`, now.r === 0 ? "bad" : used > policy.q * 0.8 ? "warn" : ""));
    })),
  ];
}
