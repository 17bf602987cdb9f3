// Tables: sorted by their heads, with rows that stay the same nodes while their cells change.

import { fill, h } from "./dom.js";

/** Rows as a table with these columns sorts them by `{by, down}`; absent values last, whichever way. */
export function ordered(rows, columns, order) {
  const column = columns.find((each) => each.id === order?.by);
  if (!column?.value) return rows;
  const way = order.down ? -1 : 1;
  const known = (value) => value !== null && value !== undefined && value !== "";
  return [...rows].sort((a, b) => {
    const [left, right] = [column.value(a), column.value(b)];
    if (!known(left) || !known(right)) return Number(known(right)) - Number(known(left));
    return (typeof left === "string" ? left.localeCompare(right) : left - right) * way;
  });
}

/**
 * @param caption what the table shows, read by screen readers and hidden from sight
 * @param columns `{id, title, cell(row), value?(row), numeric?, wide?, first?}`: `cell` gives text, a node or a list of them;
 *   a column with `value` can be sorted by it (numbers or texts; absent ones last, whichever way); `wide`: left out on phones
 * @param id gives what tells rows apart
 * @param sort `{by, down}` at the start; null leaves the order of the rows
 * @param href where a row leads, or null
 */
export function table({ caption, columns, id, sort = null, nothing = "Nothing to show.", onsort = null }) {
  let order = sort;
  let rows = [];
  const nodes = new Map();
  const body = h("tbody");
  const heads = columns.map((column) => head(column));
  const node = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, h("tr", {}, heads)), body));

  function head(column) {
    const properties = { scope: "col", class: [column.numeric ? "num" : "", column.wide ? "wide" : ""].join(" ").trim() || null };
    if (!column.value) return h("th", properties, column.title);
    return h("th", properties, h("button", { type: "button", class: "sort", onclick: () => {
      order = { by: column.id, down: order?.by === column.id ? !order.down : Boolean(column.numeric) };
      draw();
      onsort?.(order);
    } }, column.title));
  }

  const sorted = () => ordered(rows, columns, order);

  function line(row) {
    const cells = columns.map((column) =>
      h(column.first ? "th" : "td", { scope: column.first ? "row" : null, class: [column.numeric ? "num" : "", column.wide ? "wide" : ""].join(" ").trim() || null }, column.cell(row)));
    const made = h("tr", { dataset: { id: id(row) } }, cells);
    nodes.set(id(row), { node: made, cells, row });
    return made;
  }

  function draw() {
    columns.forEach((column, index) => {
      if (column.value) heads[index].setAttribute("aria-sort", order?.by === column.id ? (order.down ? "descending" : "ascending") : "none");
    });
    if (rows.length === 0) {
      fill(body, h("tr", { class: "nothing" }, h("td", { colspan: columns.length }, nothing)));
      return;
    }
    fill(body, sorted().map((row) => nodes.get(id(row))?.node ?? line(row)));
  }

  return {
    node,
    /** Shows these rows instead; those that stay keep their node. */
    set(next) {
      const kept = new Set(next.map(id));
      for (const known of [...nodes.keys()]) if (!kept.has(known)) nodes.delete(known);
      rows = next;
      for (const row of next) {
        const known = nodes.get(id(row));
        if (known && known.row !== row) this.patch(row);
      }
      draw();
    },
    /** Renews the cells of one row, or of some columns of it; the order stays until the next sort. */
    patch(row, only = null) {
      const known = nodes.get(id(row));
      if (!known) return null;
      known.row = row;
      rows = rows.map((each) => (id(each) === id(row) ? row : each));
      columns.forEach((column, index) => {
        if (!only || only.includes(column.id)) fill(known.cells[index], column.cell(row));
      });
      return known.node;
    },
    /** Puts the rows into their order anew where their cells have changed it. */
    settle() {
      if (sorted().some((row, index) => body.children[index] !== nodes.get(id(row))?.node)) draw();
    },
    rows: () => sorted(),
    get order() {
      return order;
    },
  };
}
