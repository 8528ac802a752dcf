// The rows of a table and their history. Every change is a step of three small operations, each with
// its inverse: set (a field of a row), put (rows at places), take (rows from places).

import { Watchers } from "./watchers.js";
import { _ } from "../words.js";

export class Rows {
  #list = [];
  #past = [];
  #future = [];
  #open = null;
  #watchers = new Watchers();

  constructor(list = []) {
    this.#list = list;
  }

  get length() { return this.#list.length; }
  get all() { return this.#list; }

  at(index) { return this.#list[index]; }
  indexOf(row) { return this.#list.indexOf(row); }

  // watcher({structural, changed: Set of rows, first: index or -1, reset})
  watch(watcher) { this.#watchers.add(watcher); }

  // Replace everything and forget the history (another draft, another batch).
  reset(list) {
    numberRows(list, []);
    this.#list = list;
    this.#past = [];
    this.#future = [];
    this.#tell([], { reset: true });
  }

  // Run body; all that it changes is one step for undo. Returns the number of operations.
  step(label, body) {
    if (this.#open) return body();
    const operations = this.#open = [];
    try {
      body();
    } finally {
      this.#open = null;
    }
    if (operations.length === 0) return 0;
    this.#past.push({ label, operations });
    if (this.#past.length > 500) this.#past.shift();
    this.#future = [];
    this.#tell(operations);
    return operations.length;
  }

  set(row, field, value) {
    if (same(row[field], value)) return;
    this.#do({ kind: "set", row, field, before: row[field], after: value });
  }

  insert(at, rows) {
    if (rows.length === 0) return;
    numberRows(rows, this.#list);
    this.#do({ kind: "put", places: rows.map((row, offset) => ({ at: at + offset, row })) });
  }

  remove(rows) {
    const gone = new Set(rows);
    const places = [];
    this.#list.forEach((row, at) => { if (gone.has(row)) places.push({ at, row }); });
    if (places.length > 0) this.#do({ kind: "take", places });
  }

  // Move rows so that they stand together where the row at index `to` stands now (length = the end).
  move(rows, to) {
    const moving = new Set(rows);
    const before = this.#list.slice(0, to).filter((row) => !moving.has(row)).length;
    const ordered = this.#list.filter((row) => moving.has(row));
    if (ordered.every((row, offset) => this.#list[before + offset] === row)) return;
    this.step(_("移动行"), () => {
      this.remove(ordered);
      this.insert(before, ordered);
    });
  }

  undo() { return this.#travel(this.#past, this.#future, true); }
  redo() { return this.#travel(this.#future, this.#past, false); }

  #travel(from, to, backwards) {
    const step = from.pop();
    if (!step) return null;
    to.push(step);
    const operations = backwards ? [...step.operations].reverse().map(inverse) : step.operations;
    for (const operation of operations) this.#apply(operation);
    this.#tell(operations);
    return step.label;
  }

  #do(operation) {
    if (!this.#open) return this.step(_("修改"), () => this.#do(operation));
    this.#apply(operation);
    this.#open.push(operation);
    return 1;
  }

  #apply({ kind, row, field, after, places }) {
    if (kind === "set") row[field] = after;
    else this.#list = kind === "put" ? withPlaces(this.#list, places) : withoutPlaces(this.#list, places);
  }

  #tell(operations, { reset = false } = {}) {
    const changed = new Set();
    let structural = reset;
    for (const { kind, row, places } of operations) {
      if (kind === "set") changed.add(row);
      else structural = true;
      if (kind === "put") for (const place of places) changed.add(place.row);
    }
    const first = this.#list.findIndex((row) => changed.has(row));
    this.#watchers.tell({ structural, changed, first, reset });
  }
}

// Rows that have no number, or one that another row has, take the next after the highest.
function numberRows(rows, others) {
  const taken = new Set(others.map(({ number }) => number));
  let highest = 0;
  for (const { number } of [...others, ...rows]) highest = Math.max(highest, number ?? 0);
  for (const row of rows) {
    if (!row.number || taken.has(row.number)) row.number = ++highest;
    taken.add(row.number);
  }
}

function inverse(operation) {
  if (operation.kind === "set") return { ...operation, before: operation.after, after: operation.before };
  return { ...operation, kind: operation.kind === "put" ? "take" : "put" };
}

function withPlaces(list, places) {
  const merged = [];
  let rest = 0;
  for (const { at, row } of places) {
    while (merged.length < at && rest < list.length) merged.push(list[rest++]);
    merged.push(row);
  }
  while (rest < list.length) merged.push(list[rest++]);
  return merged;
}

function withoutPlaces(list, places) {
  const gone = new Set(places.map(({ row }) => row));
  return list.filter((row) => !gone.has(row));
}

function same(one, other) {
  return one === other || (Array.isArray(one) && JSON.stringify(one) === JSON.stringify(other));
}
