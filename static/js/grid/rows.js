// The rows of a table and their history. Every change is a step of small operations, each with its inverse:
// set (a field of a row), put (rows at indexes), take (rows away).

import { _ } from "../core/i18n.js";

const MAX_STEPS = 500; // that can be undone

export class Rows extends EventTarget {
  #list = [];
  #past = [];
  #future = [];
  #operations = null; // of the step that is open
  #hidden = null; // rows that showOnly() left out, a set; null while all are shown
  #shown = null; // the others, once they are asked for

  isFrozen = false; // no step changes them

  get length() { return this.#list.length; }
  get all() { return this.#list; }
  get isFiltered() { return this.#hidden !== null; }

  /** The rows that are shown, in their order: positions in the table count in these. */
  get shown() {
    if (!this.#hidden) return this.#list;
    this.#shown ??= this.#list.filter((row) => !this.#hidden.has(row));
    return this.#shown;
  }

  at(index) { return this.#list[index]; }
  indexOf(row) { return this.#list.indexOf(row); }

  /** listener({structural, changed: Set of rows, first: position of the first of them that is shown or -1, reset, operations: those of
      the step, none where the rows came from elsewhere}) */
  watch(listener) { this.addEventListener("change", ({ detail }) => listener(detail)); }

  /** listener() after other rows are shown without a change of the rows. */
  watchShown(listener) { this.addEventListener("shown", listener); }

  /** Show only the rows for which matches(row) is true now, or all with null. Rows that are added later are shown. */
  showOnly(matches) {
    if (!matches && !this.#hidden) return;
    this.#setHidden(matches && new Set(this.#list.filter((row) => !matches(row))));
    this.dispatchEvent(new Event("shown"));
  }

  /** Show rows that showOnly() left out. */
  reveal(rows) {
    if (!this.#hidden) return;
    const revealed = new Set(rows);
    const hidden = new Set([...this.#hidden].filter((row) => !revealed.has(row)));
    if (hidden.size === this.#hidden.size) return;
    this.#setHidden(hidden);
    this.dispatchEvent(new Event("shown"));
  }

  #setHidden(hidden) {
    this.#hidden = hidden;
    this.#shown = null;
  }

  /** Replace all rows, show them all, and forget the history (another draft, another batch). */
  reset(list) {
    numberRows(list, []);
    this.#list = list;
    this.#setHidden(null);
    this.forgetHistory();
    this.#dispatchChange([], { reset: true });
    this.dispatchEvent(new Event("shown"));
  }

  /** Rows changed elsewhere: `list` are all of them in their order, `changed` those with other values. It is no step. */
  accept(list, changed) {
    const structural = list !== this.#list;
    this.#list = list;
    if (structural) {
      this.#shown = null;
      const present = new Set(list);
      if (this.#hidden) this.#hidden = new Set([...this.#hidden].filter((row) => present.has(row)));
    }
    if (structural || changed.size > 0) this.#dispatchChange([], { structural, changed });
  }

  get hasHistory() { return this.#past.length + this.#future.length > 0; }

  /** What was done so far cannot be undone any more. */
  forgetHistory() {
    this.#past = [];
    this.#future = [];
    this.dispatchEvent(new Event("forgotten"));
  }

  /** Run body(); all that it changes is one step for undo. Returns the number of operations. */
  step(label, body) {
    if (this.isFrozen) return 0;
    if (this.#operations) return body();
    const operations = this.#operations = [];
    try {
      body();
    } finally {
      this.#operations = null;
    }
    if (operations.length === 0) return 0;
    this.#past.push({ label, operations });
    if (this.#past.length > MAX_STEPS) this.#past.shift();
    this.#future = [];
    this.#dispatchChange(operations);
    return operations.length;
  }

  set(row, field, value) {
    if (isSame(row[field], value)) return;
    this.#do({ kind: "set", row, field, before: row[field], after: value });
  }

  insert(index, rows) {
    this.insertEach(rows.map((row, offset) => ({ index: index + offset, row })));
  }

  /** entries: [{index, row}], ascending; an index is that of the row among all of them then. */
  insertEach(entries) {
    if (entries.length === 0) return;
    numberRows(entries.map(({ row }) => row), this.#list);
    this.#do({ kind: "put", entries });
  }

  remove(rows) {
    const removed = new Set(rows);
    const entries = [];
    this.#list.forEach((row, index) => { if (removed.has(row)) entries.push({ index, row }); });
    if (entries.length > 0) this.#do({ kind: "take", entries });
  }

  /** Move rows so that they stand together before the row at `index`; length is the end. */
  move(rows, index) {
    const moving = new Set(rows);
    const target = this.#list.slice(0, index).filter((row) => !moving.has(row)).length;
    const ordered = this.#list.filter((row) => moving.has(row));
    if (ordered.every((row, offset) => this.#list[target + offset] === row)) return;
    this.step(_("移动行"), () => {
      this.remove(ordered);
      this.insert(target, ordered);
    });
  }

  /** Both return the label of the step, or null where there is none; rows that they change or bring back are shown. */
  undo() { return this.#travel(this.#past, this.#future, ({ operations }) => [...operations].reverse().map(inverse)); }
  redo() { return this.#travel(this.#future, this.#past, ({ operations }) => operations); }

  #travel(from, to, operationsOf) {
    const step = from.pop();
    if (!step) return null;
    to.push(step);
    const operations = operationsOf(step);
    const before = new Set(this.#list);
    for (const operation of operations) this.#apply(operation);
    this.reveal(operations.flatMap(({ row, entries }) => row ?? entries.flatMap((entry) => (before.has(entry.row) ? [] : entry.row))));
    this.#dispatchChange(operations);
    return step.label;
  }

  #do(operation) {
    if (!this.#operations) return this.step(_("修改"), () => this.#do(operation));
    this.#apply(operation);
    this.#operations.push(operation);
    return 1;
  }

  #apply({ kind, row, field, after, entries }) {
    if (kind === "set") row[field] = after;
    else this.#list = kind === "put" ? withEntries(this.#list, entries) : withoutEntries(this.#list, entries);
    if (kind !== "set") this.#shown = null;
  }

  #dispatchChange(operations, { reset = false, structural = reset, changed = new Set() } = {}) {
    for (const { kind, row, entries } of operations) {
      if (kind === "set") changed.add(row);
      else structural = true;
      if (kind === "put") for (const entry of entries) changed.add(entry.row);
    }
    const first = this.shown.findIndex((row) => changed.has(row));
    this.dispatchEvent(new CustomEvent("change", { detail: { structural, changed, first, reset, operations } }));
  }
}

// Rows without a number, or with one that another row has, take the next after the highest.
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

function withEntries(list, entries) {
  const merged = [];
  let next = 0;
  for (const { index, row } of entries) {
    while (merged.length < index && next < list.length) merged.push(list[next++]);
    merged.push(row);
  }
  return [...merged, ...list.slice(next)];
}

function withoutEntries(list, entries) {
  const removed = new Set(entries.map(({ row }) => row));
  return list.filter((row) => !removed.has(row));
}

function isSame(one, other) {
  return one === other || (Array.isArray(one) && JSON.stringify(one) === JSON.stringify(other));
}
