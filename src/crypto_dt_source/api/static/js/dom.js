// Building the page. Text from the API only ever becomes text nodes and checked attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

function put(node, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.setAttribute("class", value);
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
    else if (name in node && typeof value === "boolean") node[name] = value;
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An element: `h("a", {class: "x", onclick: f}, "text", child, [more])`. Absent children and properties are left out. */
export const h = (tag, properties, ...children) => put(document.createElement(tag), properties, children);

/** The same for SVG. */
export const s = (tag, properties, ...children) => put(document.createElementNS(SVG, tag), properties, children);

/** Replaces what is in a node. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets the text of a node where it is another, so that a screen reader and a layout have nothing to do otherwise. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A link out, opened without telling where from; plain text where the address is not http(s). */
export function outward(address, ...children) {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    return h("span", {}, ...children);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return h("span", {}, ...children);
  return h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
}
