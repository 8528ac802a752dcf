// Which cell is active, which block is selected around it, and which rows are picked by their checkbox.

export const FIRST = { row: 0, column: 1 }; // column 0 holds the checkbox

export class Selection extends EventTarget {
  row = FIRST.row;
  column = FIRST.column;
  anchor = FIRST; // the corner of the block opposite the active cell
  picked = new Set();
  isActive = false; // until the table was entered

  #size;

  /** size() -> {rows, columns} */
  constructor(size) {
    super();
    this.#size = size;
  }

  watch(listener) { this.addEventListener("change", listener); }

  /** {top, bottom, left, right}, all inclusive */
  get block() {
    return {
      top: Math.min(this.row, this.anchor.row),
      bottom: Math.max(this.row, this.anchor.row),
      left: Math.min(this.column, this.anchor.column),
      right: Math.max(this.column, this.anchor.column),
    };
  }

  /** Whether the block is the whole table, with or without the checkboxes. */
  get isAll() {
    const [{ rows, columns }, { top, bottom, left, right }] = [this.#size(), this.block];
    return bottom - top + 1 === rows && right === columns - 1 && left <= FIRST.column;
  }

  isAt(row, column) {
    return this.isActive && row === this.row && column === this.column;
  }

  /** Whether this cell is the last one of the block. */
  isCorner(row, column) {
    return this.has(row, column) && !this.has(row + 1, column) && !this.has(row, column + 1);
  }

  has(row, column) {
    const { top, bottom, left, right } = this.block;
    return this.isActive && row >= top && row <= bottom && column >= left && column <= right;
  }

  /** Go to a cell; extending keeps the other corner of the block. */
  goTo(row, column, { extend = false } = {}) {
    Object.assign(this, this.#clamped({ row, column }));
    if (!extend) this.anchor = { row: this.row, column: this.column };
    this.isActive = this.#size().rows > 0;
    this.#dispatchChange();
  }

  /** The block is between these columns now, since columns came or went. */
  setColumns(column, anchorColumn) {
    Object.assign(this, this.#clamped({ row: this.row, column }));
    this.anchor = this.#clamped({ row: this.anchor.row, column: anchorColumn });
  }

  moveBy(down, across, options) {
    this.goTo(this.row + down, this.column + across, options);
  }

  /** Along the row, then into the next; false where there is nowhere left to go. */
  advance(by) {
    const { rows, columns } = this.#size();
    const next = this.row * columns + this.column + by;
    if (next < 0 || next >= rows * columns) return false;
    this.goTo(Math.floor(next / columns), next % columns);
    return true;
  }

  selectBlock(top, left, bottom, right) {
    Object.assign(this, this.#clamped({ row: top, column: left }));
    this.anchor = this.#clamped({ row: bottom, column: right });
    this.isActive = this.#size().rows > 0;
    this.#dispatchChange();
  }

  setPicked(rows, isPicked) {
    for (const row of rows) {
      if (isPicked) this.picked.add(row);
      else this.picked.delete(row);
    }
    this.#dispatchChange();
  }

  /** As before the table was entered. */
  reset() {
    this.isActive = false;
    this.picked.clear();
    Object.assign(this, FIRST, { anchor: FIRST });
    this.#dispatchChange();
  }

  /** Stay inside after rows came or went, and drop picked rows that are gone. */
  clamp(rows) {
    this.follow(this.row, rows);
    this.#dispatchChange();
  }

  /** The row of the active cell stands here now, since rows changed elsewhere: the block goes along, and nobody is told. */
  follow(index, rows) {
    const by = index < 0 ? 0 : index - this.row;
    const moved = ({ row, column }) => this.#clamped({ row: row + by, column });
    const present = this.picked.size > 0 ? new Set(rows) : null;
    for (const row of this.picked) if (!present.has(row)) this.picked.delete(row);
    this.anchor = moved(this.anchor);
    Object.assign(this, moved(this));
    if (rows.length === 0) this.isActive = false;
  }

  #clamped({ row, column }) {
    const { rows, columns } = this.#size();
    return { row: clampIndex(row, rows), column: clampIndex(column, columns) };
  }

  #dispatchChange() {
    this.dispatchEvent(new Event("change"));
  }
}

function clampIndex(index, count) {
  return Math.max(0, Math.min(index, count - 1));
}
