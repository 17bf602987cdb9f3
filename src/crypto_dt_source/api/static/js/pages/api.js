// The API: every route to be tried, made from the OpenAPI document, and what the key in use may still do.

import * as api from "../api.js";
import { fill, h, setText } from "../dom.js";
import { badge, card, heading, load } from "../parts.js";
import { answerView } from "./console/answer.js";
import { form, prose } from "./console/form.js";
import { limitsCard } from "./console/limits.js";
import { routesOf } from "./console/routes.js";

const PAPERS = [
  ["docs", "Try it in Swagger UI"], ["redoc", "Reference"], ["guide", "Guide"], ["openapi.json", "OpenAPI"], ["asyncapi.json", "AsyncAPI of the stream"], ["llms.txt", "llms.txt"],
];
const FIRST = "GET /api/prices/{symbol}";

export const title = () => "API";

export async function show(root, { query, signal, go }) {
  const links = h("nav", { class: "papers", "aria-label": "Documents of the API" }, PAPERS.map(([path, text]) => h("a", { href: path }, text)));
  const area = h("div", { class: "console" });
  root.append(heading("API"), links, limitsCard(signal), card("Try a route", area));
  await load(area, signal, async () => {
    const routes = routesOf(await api.get("openapi.json", { freshMs: 300_000, signal }));
    return desk(routes, { query, signal, go });
  }, 14);
}

/** The list of routes beside the one that is chosen. */
function desk(routes, { query, signal, go }) {
  const tags = [...new Set(routes.map((route) => route.tag))];
  const search = h("input", { type: "search", placeholder: "prices, candles, pools …", autocomplete: "off", value: query.get("q") ?? "" });
  const tag = h("select", {}, h("option", { value: "" }, "All"), tags.map((name) => h("option", { value: name }, name)));
  tag.value = tags.includes(query.get("tag")) ? query.get("tag") : "";
  const count = h("p", { class: "soft small", role: "status" });
  const list = h("ul", { class: "routes" });
  const place = h("div", { class: "route" });
  let chosen = routes.find((route) => route.id === query.get("route")) ?? routes.find((route) => route.id === FIRST) ?? routes[0];

  function keep() {
    const state = { q: search.value.trim(), tag: tag.value, route: chosen?.id };
    for (const [name, value] of Object.entries(state)) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    go(`#/api?${query}`, { replace: true });
  }

  function mark() {
    for (const button of list.querySelectorAll("button")) {
      if (button.dataset.id === chosen?.id) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  function choose(route) {
    chosen = route;
    keep();
    mark();
    fill(place, workplace(route, signal));
  }

  function draw() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = routes.filter((route) => (!tag.value || route.tag === tag.value) && words.every((word) => route.text.includes(word)));
    fill(list, found.map((route) => h("li", {}, h("button", { type: "button", dataset: { id: route.id }, onclick: () => choose(route) },
      method(route.method), h("span", { class: "path mono" }, route.path), h("span", { class: "soft small" }, route.summary)))));
    setText(count, found.length === routes.length ? `${routes.length} routes` : `${found.length} of ${routes.length} routes`);
    mark();
  }
  for (const control of [search, tag]) {
    control.addEventListener("input", () => {
      draw();
      keep();
    });
  }
  draw();
  if (chosen) fill(place, workplace(chosen, signal));
  requestAnimationFrame(() => {
    const button = list.querySelector("[aria-current]");
    if (button) list.scrollTop = button.offsetTop - list.clientHeight / 3;
  });
  return h("div", { class: "desk" },
    h("div", { class: "finder" }, h("div", { class: "row" }, h("label", { class: "field grow" }, h("span", {}, "Search"), search), h("label", { class: "field" }, h("span", {}, "Subject"), tag)), count, list), place);
}

const method = (name) => badge(name, name === "GET" ? "ok" : name === "DELETE" ? "bad" : "warn");

/** One route: what it is, its parameters, what it answers. */
function workplace(route, signal) {
  const said = answerView();
  const filled = form(route);
  const send = h("button", { type: "submit", class: "primary" }, "Send");
  const stop = h("button", { type: "button", hidden: true }, "Cancel");
  const changes = route.method !== "GET";
  const locked = route.secured && changes && !api.hasKey();
  if (locked) send.disabled = true;
  let asking = null;

  async function ask() {
    asking?.abort();
    asking = new AbortController();
    const within = AbortSignal.any([signal, asking.signal]);
    stop.hidden = false;
    said.wait();
    try {
      const { path, query, body, type } = filled.request();
      said.show(await api.send(route.method, path, { query, body, type, signal: within }));
    } catch (error) {
      if (!signal.aborted) said.fail(error.name === "AbortError" ? new Error("Cancelled.") : error);
    } finally {
      stop.hidden = true;
    }
  }
  stop.addEventListener("click", () => asking?.abort());
  const sure = confirmation(route, () => ask());
  const node = h("form", { class: "ask", novalidate: true, onsubmit: (event) => {
    event.preventDefault();
    if (!filled.complete()) return;
    if (route.method === "DELETE") sure.showModal();
    else ask();
  } },
  filled.node,
  route.secured ? h("p", { class: "small" }, badge("needs a key", "warn"), locked ? " Give one with the button Key above to send this." : api.hasKey() ? " Yours is sent along." : " Without one the answer says so.") : null,
  h("div", { class: "row" }, send, stop));
  return [h("h3", { class: "route-name" }, method(route.method), h("span", { class: "mono" }, route.path)), h("p", {}, h("strong", {}, route.summary)), route.about.map((text) => h("p", { class: "soft" }, prose(text))), node, filled.curl, said.node, sure];
}

function confirmation(route, act) {
  const dialog = h("dialog", { "aria-labelledby": "sure" }, h("h2", { id: "sure" }, "Really delete?"), h("p", {}, `${route.summary}: this changes what the server has, and is not undone here.`),
    h("div", { class: "row" }, h("button", { type: "button", class: "danger", onclick: () => {
      dialog.close();
      act();
    } }, "Send it"), h("button", { type: "button", onclick: () => dialog.close() }, "Cancel")));
  return dialog;
}
