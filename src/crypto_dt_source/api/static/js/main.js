// The frame around every page: which one is shown, the live state, the theme, the key.

import { ApiError, change, hasKey, onKey, useKey } from "./api.js";
import { fill, h, setText } from "./dom.js";
import * as format from "./format.js";
import { failure, loading } from "./parts.js";
import * as stream from "./stream.js";

const PAGES = {
  "": () => import("./pages/markets.js"),
  asset: () => import("./pages/asset.js"),
  news: () => import("./pages/news.js"),
  defi: () => import("./pages/defi.js"),
  sources: () => import("./pages/sources.js"),
  system: () => import("./pages/system.js"),
  api: () => import("./pages/api.js"),
};
const THEME_SIGNS = { auto: "◐", light: "☀", dark: "☾" };
const STATE_WORDS = { live: "Live", connecting: "Connecting", reconnecting: "Reconnecting", offline: "Offline", crowded: "Not live" };
const main = document.getElementById("main");
let leaving = null;
const scrolled = new Map(); // entry of the history → how far down it was left
let entry = 0;

/** `#/asset/BTC?interval=1h` as `{page: "asset", rest: ["BTC"], query: URLSearchParams}`. */
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { page: parts[0], rest: parts.slice(1).filter(Boolean), query: new URLSearchParams(query ?? "") };
}

/** Goes to another page; with `replace` the address changes and nothing is drawn anew. */
export function go(hash, { replace = false } = {}) {
  if (replace) history.replaceState(history.state, "", hash);
  else location.hash = hash;
}

async function show() {
  const at = place();
  leaving?.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const known = Object.hasOwn(PAGES, at.page);
  for (const link of document.querySelectorAll("#nav a")) {
    const own = link.getAttribute("href").replace(/^#\//, "") === (at.page === "asset" ? "" : at.page);
    if (!own) {
      link.removeAttribute("aria-current");
      continue;
    }
    link.setAttribute("aria-current", "page");
    // On a phone the row of pages is wider than the screen.
    const nav = link.closest("nav");
    nav.scrollLeft = link.offsetLeft - nav.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2;
  }
  if (!known) {
    document.title = "Not found · Crypto-DT-Source";
    fill(main, h("h1", {}, "There is no such page"), h("p", {}, h("a", { href: "#/" }, "To the markets")));
    return;
  }
  const root = h("div", { class: `page page-${at.page || "markets"}` }, loading(8));
  fill(main, root);
  try {
    const page = await PAGES[at.page]();
    if (signal.aborted) return;
    document.title = `${page.title(at)} · Crypto-DT-Source`;
    fill(root);
    await page.show(root, { ...at, signal, go });
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    if (error instanceof ApiError) fill(root, failure(error, show));
    else unfit(root, error, signal);
  }
}

/** A page whose file did not come, or that failed. A browser does not ask again for a module that failed: only a new start does. */
function unfit(root, error, signal) {
  const there = () => document.documentElement.dataset.live === "live";
  const anew = () => there() && location.reload();
  if (there()) console.error(error);
  else document.addEventListener("serverreturn", () => location.reload(), { once: true, signal });
  fill(root, failure(there() ? error : new ApiError(0, null), anew));
}

async function navigated() {
  scrolled.set(entry, scrollY);
  // An entry that has its number already is one that somebody goes back or forward to.
  const again = history.state?.entry;
  entry = again ?? Math.max(0, entry, ...scrolled.keys()) + 1;
  if (again === undefined) history.replaceState({ entry }, "");
  const here = entry;
  const shown = show();
  scrollTo(0, 0);
  // A screen reader is told of the new page; a mouse sees nothing of it.
  main.focus({ preventScroll: true });
  if (again === undefined) return;
  await shown;
  if (here === entry && scrollY === 0) scrollTo(0, scrolled.get(here) ?? 0);
}

function liveState() {
  const box = document.getElementById("live");
  const words = document.getElementById("live-text");
  let crowded = false;
  stream.onState((state, welcome) => {
    box.dataset.state = state;
    setText(words, STATE_WORDS[state]);
    box.title = welcome ? `Tier ${welcome.tier}` : "";
    if (state === "crowded") notice(`${stream.crowd()} Nothing moves on this page until another one is closed; it goes on by itself then.`);
    else if (crowded) document.getElementById("notice").hidden = true;
    crowded = state === "crowded";
    document.getElementById("mode").classList.toggle("unseen", welcome?.mode !== "demo");
    document.documentElement.dataset.live = state;
    if (hasKey() && stream.refused()) {
      useKey("");
      notice("The key has been revoked or has expired. The page goes on without one.");
    }
  });
  stream.onFrame((frame) => {
    if (frame.channel !== "system" || frame.type !== "update" || !frame.data?.message) return;
    notice(frame.data.message);
  });
}

/** A line over the page that stays until it is put away: what the operator tells everybody, or why a key is refused. */
export function notice(text) {
  const bar = document.getElementById("notice");
  fill(bar, h("span", {}, text), h("button", { type: "button", onclick: () => {
    bar.hidden = true;
  } }, "Close"));
  bar.hidden = false;
}

function themeButton() {
  const button = document.getElementById("theme");
  const draw = () => {
    button.textContent = THEME_SIGNS[window.cdtsTheme.current];
    button.setAttribute("aria-label", `Theme: ${window.cdtsTheme.current}`);
  };
  button.addEventListener("click", () => {
    window.cdtsTheme.next();
    draw();
  });
  draw();
}

function keyDialog() {
  const input = h("input", { type: "password", name: "key", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-why" });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const forget = h("button", { type: "button", onclick: () => {
    useKey("");
    dialog.close();
  } }, "Forget it");
  const form = h("form", { onsubmit: async (event) => {
    event.preventDefault();
    setText(wrong, "");
    try {
      // Asked with the new key before it is taken: a mistyped one must not replace one that works.
      await change("POST", "api/auth/token", { key: input.value.trim() });
      useKey(input.value.trim());
      dialog.close();
    } catch (error) {
      setText(wrong, error.message);
    }
  } },
  h("h2", { id: "key-title" }, "API key"),
  h("p", { id: "key-why" }, "What changes the service needs a key with the admin scope. It is kept in this page's memory only and gone when the page is closed."),
  h("label", { class: "field" }, h("span", {}, "Key"), input), wrong,
  h("div", { class: "row" }, h("button", { type: "submit", class: "primary" }, "Use this key"), forget, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel")));
  const dialog = h("dialog", { "aria-labelledby": "key-title", onclose: () => {
    input.value = "";
    setText(wrong, "");
  } }, form);
  document.body.append(dialog);
  const button = document.getElementById("key");
  button.addEventListener("click", () => {
    forget.hidden = !hasKey();
    dialog.showModal();
    input.focus();
  });
  onKey(() => {
    button.classList.toggle("used", hasKey());
    setText(button, hasKey() ? "Key in use" : "Key");
  });
}

document.querySelector("[data-skip]").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
themeButton();
keyDialog();
liveState();
stream.start();
history.scrollRestoration = "manual";
history.replaceState({ entry }, "");
addEventListener("hashchange", navigated);
// Ages stay true while they are looked at.
setInterval(() => {
  for (const node of document.querySelectorAll("time[data-ago]")) setText(node, format.ago(node.dateTime));
}, 10_000);
onKey(show);
show();
