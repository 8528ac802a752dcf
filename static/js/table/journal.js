// The changes of a table that the server does not have yet. They are kept in the browser until it has: written at once, so
// that a page may be left at any moment.

import { loadItem, saveItem, storedNames } from "../core/storage.js";

const PREFIX = "table.journal"; // of the keys: table.journal/<table>/<page>/<part>
const NEW = "new"; // in place of the table, until it is made
const PARTS = ["waiting", "sending", "typed", "left"];
const NONE = Object.freeze({});
const STALE = 30_000; // ms without a sign of life, where the browser has no locks

/** Rows are named by their id on the server, or before they have one by a key, which is text. */
const isKey = (row) => typeof row === "string";

/**
 * waiting   operations as PATCH /api/tables/<id> takes them, in their order; an `add` has the `keys` of its rows too
 * sending   {key: of the request, operations}: on its way, perhaps there already; sent again with the same key
 * typed     the `set` of the cell that is open
 * A table that is not made yet has `making`, the body of the request that makes it: with its key, it is sent again as it was.
 */
export class Journal {
  waiting = [];
  sending = null;
  typed = null;
  making = null;
  isKept = true; // whether the browser could write it down
  #table;
  #page;
  #values = null; // of valuesOf(), by row, once they are asked for

  constructor(table, page) {
    this.#table = table || NEW;
    this.#page = page;
    const { operations = [], making = null } = loadItem(this.#nameOf("waiting")) ?? {};
    Object.assign(this, { waiting: operations, making, sending: loadItem(this.#nameOf("sending")), typed: loadItem(this.#nameOf("typed")) });
  }

  #nameOf(part) { return [PREFIX, this.#table, this.#page, part].join("/"); }

  #keep(part, value) {
    this.isKept = saveItem(this.#nameOf(part), value) || value === null;
  }

  #keepWaiting() {
    this.#values = null;
    const isEmpty = this.waiting.length === 0 && !this.making;
    this.#keep("waiting", isEmpty ? null : { operations: this.waiting, making: this.making, at: Date.now() });
  }

  get table() { return this.#table === NEW ? "" : this.#table; }
  get isEmpty() { return this.waiting.length === 0 && !this.sending; }

  /** How many cells and rows are changed in it. */
  get size() {
    const sizeOf = ({ values, rows }) => (values ? Object.keys(values).length : rows.length);
    return this.#operations().reduce((sum, operation) => sum + sizeOf(operation), 0);
  }

  /** Whether rows come, go or move in it. */
  get isStructural() { return this.#operations().some(({ op }) => op !== "set"); }

  #operations() { return [...(this.sending?.operations ?? []), ...this.waiting]; }

  /** The values in it of a row, by the names of the API. */
  valuesOf(row) {
    this.#values ??= this.#byRow();
    return this.#values.get(row) ?? NONE;
  }

  #byRow() {
    const found = new Map();
    const add = (row, ...parts) => found.set(row, Object.assign({}, found.get(row), ...parts));
    for (const { op, row, values, keys, rows } of this.#operations()) {
      if (op === "set") add(row, values);
      else keys?.forEach((key, index) => add(key, rows[index], rows[index].columns));
    }
    return found;
  }

  add(operations) {
    const sets = new Map(this.waiting.filter(({ op }) => op === "set").map((operation) => [operation.row, operation]));
    for (const operation of operations) {
      const same = operation.op === "set" && sets.get(operation.row);
      if (same) Object.assign(same.values, operation.values);
      else this.waiting.push(operation);
    }
    this.#keepWaiting();
  }

  /** The text of the open cell, as it would be set; null when it is closed. */
  setTyped(operation) {
    if (operation === null && this.typed === null) return;
    this.typed = operation;
    this.#keep("typed", operation);
  }

  /** It counts as set: of a page that was left. */
  takeTyped() {
    if (this.typed) this.add([this.typed]);
    this.setTyped(null);
  }

  /** The table is to be made by a request with this body. */
  setMaking(body) {
    this.making = body;
    this.#keepWaiting();
  }

  /** The table is made. */
  moveTo(table) {
    const kept = [this.#nameOf("waiting"), this.#nameOf("typed")];
    this.#table = table;
    this.making = null;
    this.#keepWaiting();
    this.#keep("typed", this.typed);
    for (const name of kept) saveItem(name, null);
  }

  /** What is to be sent now: {key, operations} for the server, or null. What names rows by their keys waits until they have ids. */
  take(key) {
    if (!this.sending) {
      const names = ({ row, rows = [], after, op }) => [row, after, ...(op === "add" ? [] : rows)];
      const end = this.waiting.findIndex((operation) => names(operation).some(isKey));
      const operations = this.waiting.slice(0, Math.min(end < 0 ? Infinity : end, 5_000)); // what a call takes
      if (operations.length === 0) return null;
      this.#send({ key, operations }, this.waiting.slice(operations.length));
    }
    const plain = this.sending.operations.map(({ keys: _keys, ...operation }) => operation);
    return { key: this.sending.key, operations: plain };
  }

  #send(sending, waiting) {
    this.sending = sending;
    this.waiting = waiting;
    this.#keep("sending", sending);
    this.#keepWaiting();
  }

  /** What was sent is on the server; `added` are the ids of its new rows in their order. Returns them by key. */
  answered(added) {
    const keys = this.sending.operations.flatMap((operation) => operation.keys ?? []);
    const ids = new Map(keys.map((key, index) => [key, added[index]]));
    const idOf = (row) => ids.get(row) ?? row;
    const resolved = (operation) => ({
      ...operation,
      ...("row" in operation && { row: idOf(operation.row) }),
      ...("after" in operation && { after: idOf(operation.after) }),
      ...(operation.op !== "add" && operation.rows && { rows: operation.rows.map(idOf) }),
    });
    this.#send(null, this.waiting.map(resolved));
    if (this.typed) this.setTyped(resolved(this.typed));
    return ids;
  }

  /** What was sent is refused: its halves are sent one after the other. Returns the operation that is refused by itself, which goes. */
  refused(key) {
    const halves = halvesOf(this.sending.operations);
    const [operation] = this.sending.operations;
    if (halves) this.#send({ key, operations: halves[0] }, [...halves[1], ...this.waiting]);
    else this.#send(null, this.waiting);
    return halves ? null : operation;
  }

  /** The page is left: another one may take this up; false: it came back. */
  setLeft(isLeft) {
    this.#keep("left", isLeft && !(this.isEmpty && !this.typed) ? true : null);
  }

  forget() {
    for (const part of PARTS) saveItem(this.#nameOf(part), null);
  }
}

function halvesOf(operations) {
  const [first] = operations;
  const halve = (list) => [list.slice(0, Math.ceil(list.length / 2)), list.slice(Math.ceil(list.length / 2))];
  if (operations.length > 1) return halve(operations);
  if (first.op === "set" && Object.keys(first.values).length > 1) {
    return halve(Object.entries(first.values)).map((part) => [{ ...first, values: Object.fromEntries(part) }]);
  }
  if (first.op !== "add" || first.rows.length === 1) return null;
  const [keys, rows] = [halve(first.keys), halve(first.rows)];
  return [[{ ...first, keys: keys[0], rows: rows[0] }], [{ ...first, after: keys[0].at(-1), keys: keys[1], rows: rows[1] }]];
}

/** Hold what shows other pages that this one is there. */
export function holdPage(page) {
  navigator.locks?.request(`${PREFIX}/${page}`, () => new Promise(() => {}));
}

/** The journals that pages left behind: [{table: its id or "", page}], of one table, "" for those not made yet, or of all. */
export async function leftJournals(table = null) {
  const names = storedNames().map((name) => name.split("/")).filter(([prefix, of]) => prefix === PREFIX && (table === null || of === (table || NEW)));
  const found = new Map(names.map(([, of, page]) => [`${of}/${page}`, { table: of === NEW ? "" : of, page }]));
  const left = await Promise.all([...found.values()].map(isLeft));
  return [...found.values()].filter((_one, index) => left[index]);
}

async function isLeft({ table, page }) {
  const valueOf = (part) => loadItem([PREFIX, table || NEW, page, part].join("/"));
  if (valueOf("left")) return true;
  if (!navigator.locks) return Date.now() - (valueOf("waiting")?.at ?? 0) > STALE;
  return navigator.locks.request(`${PREFIX}/${page}`, { ifAvailable: true }, (lock) => lock !== null);
}

// A step of the table (grid/rows.js) as operations on the server's rows.

/**
 * operations: of the step; list: all rows after it. nameOf(row) -> its id or key; isKnown(row): whether the server has or will have it;
 * contentOf(row) and valuesOf(row, fields) -> as the API has them.
 */
export function operationsOf(operations, list, { nameOf, isKnown, contentOf, valuesOf }) {
  const { before, after, fields } = netOf(operations);
  const removed = [...before].filter((row) => !after.has(row));
  const restored = [...after].filter((row) => !before.has(row) && isKnown(row));
  const placed = new Set([...after].filter((row) => !restored.includes(row)));
  const found = [];
  if (removed.length > 0) found.push({ op: "remove", rows: removed.map(nameOf) });
  if (restored.length > 0) found.push({ op: "restore", rows: restored.map(nameOf) });
  let last = null; // the operation whose rows go on
  list.forEach((row, index) => {
    if (!placed.has(row)) return void (last = null);
    const op = before.has(row) ? "move" : "add";
    if (last?.op !== op) found.push(last = { op, after: index > 0 ? nameOf(list[index - 1]) : 0, rows: [], ...(op === "add" && { keys: [] }) });
    if (op === "add") last.keys.push(nameOf(row));
    last.rows.push(op === "add" ? contentOf(row) : nameOf(row));
  });
  for (const [row, names] of fields) {
    if (!(placed.has(row) && !before.has(row))) found.push({ op: "set", row: nameOf(row), values: valuesOf(row, names) });
  }
  return found;
}

// Rows that were there and are taken, rows that are put and stay, and the fields that are set of each row.
function netOf(operations) {
  const before = new Set();
  const after = new Set();
  const fields = new Map();
  for (const { kind, row, field, entries } of operations) {
    if (kind === "set") fields.set(row, new Set([...(fields.get(row) ?? []), field]));
    else for (const entry of entries) {
      if (kind === "put") after.add(entry.row);
      else if (!after.delete(entry.row)) before.add(entry.row);
      else if (!before.has(entry.row)) fields.delete(entry.row);
    }
  }
  return { before, after, fields };
}
