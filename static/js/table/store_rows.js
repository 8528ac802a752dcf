// The rows of the open table as the server has them: which row of the grid each is, its place, and what is said of it.

import { cellOf, fieldOf, flat, makeRow, valueOf } from "./row.js";
import { _ } from "../core/i18n.js";

const REMEMBERED = 60_000; // ms for which somebody is told that a value they wrote was replaced
const UNDER_WAY = ["queued", "running"];

export class ServerRows {
  #grid;
  #journal;
  #page;
  #onForeign;
  #byId = new Map(); // id on the server -> row
  #byKey = new Map(); // key of a new row -> row
  #places = new Map(); // row -> its place
  #said = new WeakMap(); // row -> what the server says of it
  #onServer = new WeakMap(); // row -> its values there, as far as they are known
  #written = new Map(); // "row/name" -> when its value went from here to the server
  #incoming = new Map(); // id -> row from elsewhere whose place is not known yet

  /** page: the key of this page, in those of its new rows; onForeign(text) tells of values that were replaced elsewhere. */
  constructor(grid, { journal, page, onForeign }) {
    this.#grid = grid;
    this.#journal = journal;
    this.#page = page;
    this.#onForeign = onForeign;
  }

  /** The row of the grid with this id or key, or null. */
  find(name) { return this.#byId.get(name) ?? this.#byKey.get(name) ?? null; }

  /** Its id, or before it has one its key. */
  nameOf(row) { return row.id ?? (row.key ??= this.#newKey(row)); }

  #newKey(row) {
    const key = `${this.#page}:${this.#byKey.size + 1}`;
    this.#byKey.set(key, row);
    return key;
  }

  shownOf(row) { return this.#said.get(row) ?? shownPart({ state: this.#grid.validation.isFilled(row) ? "to_make" : "empty" }); }

  isBusy(row) { return UNDER_WAY.includes(this.#said.get(row)?.state); }

  /** The rows of the whole table. */
  reset(answered) { this.#grid.rows.reset(answered.map((data) => this.#known(data))); }

  /** A new row has its id; one of a page before this one is not known. */
  identify(key, rowId) {
    const row = this.#byKey.get(key);
    if (!row) return;
    this.#byId.set(rowId, row);
    row.id = rowId;
  }

  /** These operations are on the server. */
  remember(operations) {
    for (const { op, row: rowId, values, keys = [], rows: added } of operations) {
      keys.forEach((key, index) => this.#byKey.has(key) && this.#onServer.set(this.#byKey.get(key), flat(added[index])));
      const row = this.#byId.get(rowId);
      if (op !== "set" || !row) continue;
      this.#onServer.set(row, { ...this.#onServer.get(row), ...values });
      for (const name of Object.keys(values)) this.#written.set(`${rowId}/${name}`, Date.now());
    }
  }

  /** What the server says: of rows that are there, of new ones, and of those that are gone. Returns those that changed. */
  take(answered, removed) {
    const changed = new Set();
    const valued = new Set();
    for (const data of answered) {
      const row = this.#byId.get(data.id);
      if (!row || this.#isGoneHere(row)) this.#incoming.set(data.id, data);
      else {
        changed.add(row);
        if (this.#takeRow(row, data)) valued.add(row);
      }
    }
    for (const rowId of removed) this.#incoming.delete(rowId);
    this.#settle(removed, changed, valued);
    return changed;
  }

  // Whether the server said that a row is gone, so that one of this id comes back.
  #isGoneHere(row) { return !this.#places.has(row) && this.#grid.rows.indexOf(row) < 0; }

  // Returns whether a cell has another value now. One that was changed here since keeps its own.
  #takeRow(row, data) {
    if (data.unchanged) {
      const { problems, sent, is_gone, product, role } = this.shownOf(row);
      this.#said.set(row, shownPart({ ...data, problems, sent, is_gone, product, role }));
      return false;
    }
    const [own, before, now] = [this.#journal.valuesOf(this.nameOf(row)), this.#onServer.get(row) ?? {}, flat(data)];
    let isChanged = row.number !== data.number;
    this.#know(row, data);
    for (const name of Object.keys({ ...before, ...now })) {
      if (name in own || isSame(before[name], now[name])) continue;
      const field = fieldOf(name);
      if (isSame(valueOf(field, row[field])[name], now[name])) continue;
      this.#tellReplaced(row, name, field);
      row[field] = cellOf(field, now[name]);
      isChanged = true;
    }
    row.number = data.number;
    return isChanged;
  }

  #know(row, data) {
    this.#byId.set(data.id, row);
    this.#said.set(row, shownPart(data));
    this.#places.set(row, data.place);
    this.#onServer.set(row, flat(data));
  }

  #known(data) {
    const row = makeRow(data);
    this.#know(row, data);
    return row;
  }

  #tellReplaced(row, name, field) {
    const at = this.#written.get(`${row.id}/${name}`);
    if (!at || Date.now() - at > REMEMBERED) return;
    this.#written.delete(`${row.id}/${name}`);
    const label = this.#grid.allColumns.find((column) => column.field === field)?.label ?? name;
    this.#onForeign(_("第 {number} 行的「{label}」刚在别处改过，现在是那边写的", { number: row.number, label }));
  }

  // Rows that are new or moved elsewhere find their places once nothing from here is on its way.
  #settle(removed, changed, valued) {
    const { rows } = this.#grid;
    const gone = new Set(removed.map((rowId) => this.#byId.get(rowId)).filter((row) => row && this.#places.delete(row)));
    let list = gone.size > 0 ? rows.all.filter((row) => !gone.has(row)) : rows.all;
    if (!this.#journal.isStructural) list = this.#inOrder(list, changed);
    if (list !== rows.all || valued.size > 0) rows.accept(list, valued);
  }

  #inOrder(list, changed) {
    const fresh = [...this.#incoming.values()].map((data) => this.#known(data));
    this.#incoming = new Map();
    for (const row of fresh) changed.add(row);
    const whole = fresh.length > 0 ? [...list, ...fresh] : list;
    const placeOf = (row) => this.#places.get(row) ?? Infinity;
    const isSorted = whole.every((row, index) => index === 0 || placeOf(whole[index - 1]) <= placeOf(row));
    return isSorted ? whole : [...whole].sort((one, other) => placeOf(one) - placeOf(other));
  }
}

function shownPart({ state, same_as: sameAs = null, pictures = [], problems = [], sent = {}, missing = 0, price = 0, trashed = [], is_gone: isGoneNow = false, product = 0, role = "" }) {
  return { state, same_as: sameAs, pictures, problems, sent, missing, price, trashed, is_gone: isGoneNow, product, role };
}

// An empty cell is left out, or "", or [].
function isSame(one, other) {
  if (one === other) return true;
  const textOf = (value) => (value?.length === 0 ? "" : JSON.stringify(typeof value === "number" ? String(value) : value ?? ""));
  return (textOf(one) || '""') === (textOf(other) || '""');
}
