// Pieces of the pages that an operator works with: tabs, choices, actions that need a key.

import * as api from "../api.js";
import { fill, h, setText } from "../dom.js";
import { failure, load } from "../parts.js";

/** Views of a page as links: `links` are `[address, text]`, the one with `current` as its address is marked. */
export const tabs = (label, links, current) =>
  h("nav", { class: "tabs", "aria-label": label }, links.map(([href, text]) =>
    h("a", { href, "aria-current": href === current ? "page" : null }, text)));

/** A labelled choice of one: `options` are `[value, text]`. */
export function pick(label, options, chosen, onpick, properties = {}) {
  const select = h("select", { onchange: () => onpick?.(select.value), ...properties }, options.map(([value, text]) =>
    h("option", { value, selected: String(value) === String(chosen ?? "") }, text)));
  return h("label", { class: "field" }, h("span", {}, label), select);
}

/** Where an action tells how it ended; read out when it changes. */
export const outcome = () => h("p", { class: "outcome", role: "status" });

/** One line that says what a part of the page needs. */
export const needsKey = (what) =>
  h("p", { class: "empty" }, `${what} you need a key with the admin scope: enter one with “Key” at the top of the page.`);

/** Asks before something that cannot be taken back; resolves to whether it is to be done. */
export function confirmed(question, verb) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "sure", onclose: () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    } },
    h("form", { method: "dialog" },
      h("p", { id: "sure" }, question),
      h("div", { class: "row" },
        h("button", { value: "yes", class: "danger" }, verb),
        h("button", { value: "no", autofocus: true }, "Cancel"))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * A button that asks the server for something and says in `told` how it ended: `run()` gives the sentence. None without a
 * key. `ask` is put first as a question where the action takes something away; `data` says what it does to what.
 */
export function action(text, { run, told, ask = null, danger = false, label = null, off = false, data = {} }) {
  if (!api.hasKey()) return null;
  const button = h("button", {
    type: "button", class: danger ? "danger" : null, disabled: off, "aria-label": label, dataset: data,
    onclick: async () => {
      if (ask && !(await confirmed(ask, text))) return;
      await doing(button, told, run);
    },
  }, text);
  return button;
}

/** Does `run` with its button off meanwhile; what it gives, or the server's sentence where it refuses, is told in `told`. */
export async function doing(button, told, run) {
  button.disabled = true;
  setText(told, "");
  try {
    const said = await run();
    fill(told, said ?? "Done.");
    told.classList.remove("bad");
  } catch (error) {
    if (error.name === "AbortError") return;
    setText(told, error.message);
    told.classList.add("bad");
    if (!(error instanceof api.ApiError)) console.error(error);
  } finally {
    button.disabled = false;
  }
}

/** A form for an action, none without a key; `run(values)` gets its fields by name and gives the sentence to tell. */
export function adminForm(verb, fields, told, run) {
  if (!api.hasKey()) return null;
  const button = h("button", { type: "submit", class: "primary" }, verb);
  const form = h("form", { class: "filters", onsubmit: (event) => {
    event.preventDefault();
    doing(button, told, () => run(Object.fromEntries(new FormData(form)), form));
  } }, fields, button);
  return form;
}

/**
 * Fills a node now and renews it by `again()`: what is shown stays while the next is fetched, and where that fails, with a
 * line that says so. Gives `{again}`, which asks anew, not more often than every `restMs`.
 */
export function renewed(node, signal, make, { rows = 6, restMs = 5_000 } = {}) {
  const line = h("div");
  const body = h("div");
  fill(node, line, body);
  let good = false;
  let last = performance.now();
  let waiting = 0;
  const first = load(body, signal, async () => {
    const made = await make(false);
    good = true;
    return made;
  }, rows);
  async function now() {
    last = performance.now();
    if (!good) return;
    try {
      const made = await make(true);
      if (signal.aborted) return;
      line.replaceChildren();
      if (made !== undefined && made !== body.firstChild) fill(body, made);
    } catch (error) {
      if (error.name !== "AbortError" && !signal.aborted) fill(line, failure(error));
    }
  }
  signal.addEventListener("abort", () => clearTimeout(waiting), { once: true });
  return {
    first,
    again() {
      clearTimeout(waiting);
      waiting = setTimeout(now, Math.max(0, last + restMs - performance.now()));
    },
    now,
  };
}

/** A part of a page by the components' names: a heading of the second order without a frame. */
export const part = (title, ...children) => h("section", { class: "part" }, h("h2", {}, title), ...children);
