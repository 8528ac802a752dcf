// Which cell is active, which block is selected around it, and which rows are picked by their checkbox.

import { Callbacks } from "./rows.js";

// size() -> {rows, columns}; changed() is called after each change.
export class Selection {
  row = 0;
  column = 1;
  anchor = { row: 0, column: 1 };
  picked = new Set();
  shown = false; // false until the table was entered

  #size;
  #watchers = new Callbacks();

  constructor(size) {
    this.#size = size;
  }

  watch(watcher) { this.#watchers.add(watcher); }

  // {top, bottom, left, right}, all inclusive
  get block() {
    return {
      top: Math.min(this.row, this.anchor.row),
      bottom: Math.max(this.row, this.anchor.row),
      left: Math.min(this.column, this.anchor.column),
      right: Math.max(this.column, this.anchor.column),
    };
  }

  isAt(row, column) {
    return this.shown && row === this.row && column === this.column;
  }

  has(row, column) {
    const { top, bottom, left, right } = this.block;
    return this.shown && row >= top && row <= bottom && column >= left && column <= right;
  }

  // Go to a cell; extending keeps the other corner of the block where it was.
  goTo(row, column, { extend = false } = {}) {
    const { rows, columns } = this.#size();
    this.row = bounded(row, rows);
    this.column = bounded(column, columns);
    if (!extend) this.anchor = { row: this.row, column: this.column };
    this.shown = rows > 0;
    this.#tell();
  }

  moveBy(down, across, options) {
    this.goTo(this.row + down, this.column + across, options);
  }

  // Tab: along the row, then into the next; false when there is nowhere left to go.
  advance(by) {
    const { rows, columns } = this.#size();
    const next = this.row * columns + this.column + by;
    if (next < 0 || next >= rows * columns) return false;
    this.goTo(Math.floor(next / columns), next % columns);
    return true;
  }

  selectBlock(top, left, bottom, right) {
    this.goTo(top, left);
    const { rows, columns } = this.#size();
    this.anchor = { row: bounded(bottom, rows), column: bounded(right, columns) };
    this.#tell();
  }

  pick(rows, picked) {
    for (const row of rows) {
      if (picked) this.picked.add(row);
      else this.picked.delete(row);
    }
    this.#tell();
  }

  // As before the table was entered.
  leave() {
    this.shown = false;
    this.picked.clear();
    this.row = 0;
    this.column = 1;
    this.anchor = { row: 0, column: 1 };
    this.#tell();
  }

  // After rows came or went: stay inside, and forget picked rows that are gone.
  settle(rows) {
    const present = this.picked.size > 0 ? new Set(rows) : null;
    for (const row of this.picked) if (!present.has(row)) this.picked.delete(row);
    const { rows: count, columns } = this.#size();
    this.row = bounded(this.row, count);
    this.column = bounded(this.column, columns);
    this.anchor = { row: bounded(this.anchor.row, count), column: bounded(this.anchor.column, columns) };
    if (count === 0) this.shown = false;
    this.#tell();
  }

  #tell() {
    this.#watchers.tell();
  }
}

function bounded(index, count) {
  return Math.max(0, Math.min(index, count - 1));
}
