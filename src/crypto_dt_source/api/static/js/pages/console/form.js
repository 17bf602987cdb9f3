// The parameters and the body of a route as a form, and the same request as a command for a terminal.

import { address, currentKey, hasKey } from "../../api.js";
import { fill, h, setText } from "../../dom.js";

const COPIED_MS = 2_000;
const drafts = new Map(); // what was typed for a route, by its id: entering a key draws the page anew

/** A sentence of the document: what stands between backticks is code. */
export const prose = (text) => text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

/** `{node, curl, complete(), request()}` of a route. */
export function form(route) {
  const draft = drafts.get(route.id) ?? {};
  drafts.set(route.id, draft);
  const inputs = route.parameters.map((each) => [each, control(each, draft[`p:${each.name}`])]);
  const text = route.body ? h("textarea", { rows: Math.min(16, Math.max(4, route.body.text.split("\n").length + 1)), spellcheck: "false", class: "mono", "aria-describedby": "body-about" }) : null;
  if (text) text.value = draft.body ?? route.body.text;
  const command = h("code", {});
  const wrong = h("p", { class: "wrong", role: "alert" });
  const node = h("div", { class: "parameters" },
    inputs.map(([each, input], index) => line(each, input, `p-${index}`)),
    route.parameters.length || text ? null : h("p", { class: "soft" }, "It takes no parameters."),
    text ? h("div", {}, h("label", { class: "field" }, h("span", {}, `Body, ${route.body.type}`), text), bodyAbout(route.body)) : null, wrong);

  function values(place) {
    return Object.fromEntries(inputs.filter(([each]) => each.place === place).map(([each, input]) => [each.name, input.value.trim()]));
  }

  function request() {
    let path = route.path;
    for (const [name, value] of Object.entries(values("path"))) path = path.replace(`{${name}}`, encodeURIComponent(value));
    return { path, query: values("query"), ...(text ? { body: text.value, type: route.body.type } : {}) };
  }

  function changed() {
    for (const [each, input] of inputs) draft[`p:${each.name}`] = input.value;
    if (text) draft.body = text.value;
    setText(wrong, "");
    setText(command, curl(route, request()));
  }
  node.addEventListener("input", changed);
  changed();
  return {
    node, request,
    curl: copied(command),
    complete() {
      const missing = inputs.find(([each, input]) => each.required && !input.value.trim());
      if (!missing) return true;
      setText(wrong, `${missing[0].name} is needed.`);
      missing[1].focus();
      return false;
    },
  };
}

function control(each, known) {
  const options = each.options ?? (each.type === "boolean" ? ["true", "false"] : null);
  const standard = each.standard === null ? "" : String(each.standard);
  const first = known ?? (each.required && each.example !== null ? String(each.example) : "");
  if (options) {
    const choices = options.map((value) => h("option", { value }, String(value)));
    const select = h("select", {}, each.required ? null : h("option", { value: "" }, standard ? `not given (${standard})` : "not given"), choices);
    select.value = first;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
    return select;
  }
  const number = each.type === "integer" || each.type === "number";
  const placeholder = standard || (each.example === null ? null : `for example ${each.example}`);
  return h("input", { type: "text", inputmode: number ? "decimal" : null, autocomplete: "off", spellcheck: "false", maxlength: each.longest, placeholder, value: first });
}

function line(each, input, id) {
  input.setAttribute("aria-describedby", id);
  if (each.required) input.setAttribute("aria-required", "true");
  const bounds = each.least !== null && each.most !== null && !each.about.includes(String(each.most)) ? ` From ${each.least} to ${each.most}.` : "";
  const standard = each.standard === null || each.options ? "" : ` Not given: ${each.standard}.`;
  return h("div", { class: "parameter" },
    h("label", { class: "field" }, h("span", {}, h("code", {}, each.name), each.required ? " (needed)" : ""), input),
    h("p", { class: "soft small", id }, prose(`${each.about}${bounds}${standard}`)));
}

function bodyAbout(body) {
  return h("dl", { class: "body-fields small", id: "body-about" }, body.fields.map((each) => h("div", {}, h("dt", {}, h("code", {}, each.name), each.required ? " (needed)" : ""), h("dd", { class: "soft" }, prose(each.about)))));
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The request as a command; the key never stands in it. */
function curl(route, { path, query, body, type }) {
  const parts = [`curl -sS ${route.method === "GET" ? "" : `-X ${route.method} `}${quoted(address(path, query).href)}`];
  if (hasKey() || route.secured) parts.push('-H "X-API-Key: $KEY"');
  if (body !== undefined) parts.push(`-H ${quoted(`Content-Type: ${type}`)}`, `--data-binary ${quoted(body)}`);
  const text = parts.join(" \\\n  ");
  // A field that holds the key itself is no place for it either.
  return currentKey() ? text.replaceAll(currentKey(), "$KEY") : text;
}

function copied(command) {
  const button = h("button", { type: "button" }, "Copy");
  const said = h("span", { class: "soft small", role: "status" });
  const shown = h("pre", { class: "out", tabindex: "0", "aria-label": "The request as a curl command" }, command);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      fill(said, "Copied.");
    } catch {
      // In a frame of another domain, or without TLS, a page may not write there itself.
      getSelection().selectAllChildren(command);
      fill(said, "It is selected: copy it with the keyboard.");
    }
    setTimeout(() => fill(said), COPIED_MS);
  });
  return h("div", { class: "command" }, h("div", { class: "row" }, h("h4", {}, "In a terminal"), button, said), shown);
}
