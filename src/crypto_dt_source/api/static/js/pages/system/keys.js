// API keys: list, make, replace, revoke. A secret is shown once, when it is made.

import * as api from "../../api.js";
import { fill, h, setText } from "../../dom.js";
import * as format from "../../format.js";
import { badge, card } from "../../parts.js";
import { table } from "../../table.js";
import { action, adminForm, needsKey, outcome, pick, renewed } from "../controls.js";

const TONES = { active: "ok", expired: "warn" };
const GRACES = [["0", "at once"], ["3600", "after 1 hour"], ["86400", "after 1 day"]];

export async function show(root, { signal }) {
  if (!api.hasKey()) {
    root.append(card("Keys", needsKey("To see and make keys")));
    return;
  }
  const told = outcome();
  const secret = h("div", { "aria-live": "polite" });
  const list = h("div");
  const grace = pick("The old secret ends", GRACES, "0", null, { name: "grace" });
  const made = keyTable(told, (key) => [
    action("Replace", { told, label: `Replace: ${key.name} (${key.prefix})`, off: key.state !== "active", ask: `Replace the key “${key.name}”? Its old secret ends ${GRACES.find(([value]) => value === grace.querySelector("select").value)[1]}.`, run: async () => {
      const answer = await api.change("POST", `api/auth/keys/${encodeURIComponent(key.id)}/rotate`, { query: { grace_seconds: grace.querySelector("select").value } });
      const own = inUse(key);
      fill(secret, shownOnce(answer.data, own));
      if (!own) refresh.now();
      return `“${key.name}” has a new secret.`;
    } }),
    action("Revoke", { told, label: `Revoke: ${key.name} (${key.prefix})`, danger: true, off: key.state !== "active", ask: `Revoke the key “${key.name}”${inUse(key) ? ", which is in use here" : ""}? It ends at once, with its tokens and connections, for good.`, run: async () => {
      await api.change("DELETE", `api/auth/keys/${encodeURIComponent(key.id)}`);
      if (!inUse(key)) refresh.now();
      return `“${key.name}” is revoked.`;
    } }),
  ]);
  root.append(card("Make a key", newKey(told, secret, () => refresh.now()), told, secret), card("Keys", h("div", { class: "filters" }, grace), list));
  const refresh = renewed(list, signal, async () => {
    made.set((await api.get("api/auth/keys", { query: { page_size: 250 }, freshMs: 0, signal })).data);
    return made.node;
  }, { rows: 6 });
  await refresh.first;
}

const newKey = (told, secret, then) => adminForm("Make", [
  h("label", { class: "field" }, h("span", {}, "Whose"), h("input", { type: "text", name: "name", required: true, maxlength: 80, autocomplete: "off" })),
  pick("Tier", [["free", "free"], ["pro", "pro"], ["enterprise", "enterprise"]], "pro", null, { name: "tier" }),
  pick("May", [["read", "read"], ["admin", "read and change the service"]], "read", null, { name: "scope" }),
  h("label", { class: "field" }, h("span", {}, "Ends (empty: never)"), h("input", { type: "datetime-local", name: "expires" })),
  h("label", { class: "field" }, h("span", {}, "Only from pages of (origins)"), h("input", { type: "text", name: "origins", placeholder: "https://app.example.org", autocomplete: "off" })),
], told, async ({ name, tier, scope, expires, origins }, form) => {
  const body = {
    name, tier, scopes: scope === "admin" ? ["read", "admin"] : ["read"],
    ...(expires ? { expires: new Date(expires).toISOString() } : {}),
    origins: origins.split(/[\s,]+/).filter(Boolean),
  };
  const answer = await api.change("POST", "api/auth/keys", { body });
  fill(secret, shownOnce(answer.data));
  form.reset();
  then();
  return `“${name}” has a key.`;
});

/** Whether this page asks with that key. */
const inUse = (key) => api.currentKey().startsWith(key.prefix.replace(/…$/, ""));

/** The secret with a button that copies it; gone when the page is left. `own`: the page's own key is the one it replaces. */
function shownOnce(key, own = false) {
  const code = h("code", { class: "mono" }, key.key);
  const copy = h("button", { type: "button", onclick: async () => {
    try {
      await navigator.clipboard.writeText(key.key);
      setText(copy, "Copied");
    } catch {
      // In a frame of another page a browser may refuse: then it is selected, for a copy by hand.
      getSelection().selectAllChildren(code);
      setText(copy, "Selected: copy it now");
    }
  } }, "Copy");
  return h("div", { class: "failure good" }, h("p", {}, `The secret of “${key.name}”, shown this once. Keep it now: it cannot be had again.`), h("div", { class: "secret" }, code, copy, own ? h("button", { type: "button", class: "primary", onclick: () => api.useKey(key.key) }, "I have kept it: use it here") : null));
}

const keyTable = (told, buttons) => table({
  caption: "API keys", id: (row) => row.id,
  columns: [
    { id: "name", title: "Whose", first: true, value: (row) => row.name, cell: (row) => [h("span", {}, row.name), h("div", { class: "soft small mono" }, row.prefix)] },
    { id: "state", title: "State", value: (row) => row.state, cell: (row) => badge(row.state, TONES[row.state] ?? "") },
    { id: "tier", title: "Tier", wide: true, value: (row) => row.tier, cell: (row) => row.tier },
    { id: "scopes", title: "May", wide: true, cell: (row) => row.scopes.join(", ") },
    { id: "used", title: "Last used", value: (row) => row.last_used_at, cell: (row) => h("span", { title: format.when(row.last_used_at) }, row.last_used_at ? format.ago(row.last_used_at) : "never") },
    { id: "made", title: "Made", wide: true, value: (row) => row.created_at, cell: (row) => h("span", { title: format.when(row.created_at) }, format.day(row.created_at)) },
    { id: "ends", title: "Ends", wide: true, value: (row) => row.expires_at, cell: (row) => (row.revoked_at ? `ended ${format.day(row.revoked_at)}` : row.expires_at ? format.when(row.expires_at) : "never") },
    { id: "origins", title: "Only from", wide: true, cell: (row) => h("span", { class: "clip small", title: row.origins.join(", ") }, row.origins.join(", ") || "anywhere") },
    { id: "change", title: "Change", cell: (row) => h("span", { class: "row nowrap" }, buttons(row)) },
  ],
});
