// A list of callbacks. An error in one of them is reported and does not stop the others.

import { _ } from "../core/i18n.js";
import { parseNames } from "./columns.js";

export class Callbacks {
  #all = new Set();

  add(watcher) { this.#all.add(watcher); }

  tell(...news) {
    for (const watcher of this.#all) {
      try {
        watcher(...news);
      } catch (error) {
        reportError(error);
      }
    }
  }
}

// The rows of a table and their history. Every change is a step of three small operations, each with
// its inverse: set (a field of a row), put (rows at places), take (rows from places).


export class Rows {
  #list = [];
  #past = [];
  #future = [];
  #open = null;
  #watchers = new Callbacks();

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

// One row of the batch table: its fields as they were typed, the marks left on them, and what is wrong.


const TEXTS = ["prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "filename", "seed", "steps"];

// `run` is the batch that the row was ordered with last, `asked` the digest of what was asked for then (batch/post_rows.js).
// `number` is what the row is called everywhere: its line in the imported file, or the next free one (rows.js).
// Marks stand beside a field for as long as it keeps the value they were made for:
// {field: {value, error, fixed, words}}; `fixed` is a correction that was made, not a complaint, `words` says it at length.
export function makeRow(fields = {}) {
  return {
    number: Number.isInteger(fields.number) && fields.number > 0 ? fields.number : null,
    prompt: words(fields.prompt),
    negative_prompt: words(fields.negative_prompt),
    aspect_ratio: words(fields.aspect_ratio),
    resolution: words(fields.resolution),
    sample_images: fields.sample_images ?? [],
    num_images: words(fields.num_images),
    filename: words(fields.filename),
    seed: words(fields.seed),
    steps: words(fields.steps),
    marks: fields.marks ?? {},
    run: fields.run ?? null,
    asked: fields.asked ?? null,
  };
}

/** A row as a draft holds it -> {row, repaired}: how many cells held a value of another kind, now text or names. */
export function rowFromDraft(kept) {
  const fields = isObject(kept) ? { ...kept } : { prompt: kept };
  const wrong = TEXTS.filter((field) => typeof fields[field] === "object" && fields[field] !== null);
  for (const field of wrong) fields[field] = textOf(fields[field]);
  const images = fields.sample_images ?? [];
  const isListed = Array.isArray(images) && images.every(isImage);
  if (!isListed) fields.sample_images = [images].flat().flatMap((image) => (isImage(image) ? image : parseNames(textOf(image))));
  fields.marks = isObject(fields.marks) ? Object.fromEntries(Object.entries(fields.marks).filter(([, mark]) => isObject(mark))) : {};
  return { row: makeRow(fields), repaired: wrong.length + (isListed ? 0 : 1) + (isObject(kept) ? 0 : 1) };
}

export function copyOfRow(row) {
  return makeRow({ ...row, run: null, asked: null, number: null });
}

/** of(row) -> {field: complaint}, remembered until forget(rows). A row without any of the contentFields is empty: it has none. */
export function makeValidation(columns, contentFields) {
  const fields = columns.filter(({ field, kind }) => field && kind !== "unused");
  let known = new WeakMap();
  const isFilled = (row) => contentFields.some((field) => row[field].length > 0);
  const look = (row) => {
    const found = {};
    if (!isFilled(row)) return found;
    for (const { field, check } of fields) {
      const problem = check(row[field], row) || markOn(row, field)?.error;
      if (problem) found[field] = problem;
    }
    return found;
  };
  return {
    isFilled,
    of(row) {
      if (!known.has(row)) known.set(row, look(row));
      return known.get(row);
    },
    correctionOf: (row, field) => markOn(row, field)?.fixed ?? "",
    forget(rows) { for (const row of rows) known.delete(row); },
    forgetAll() { known = new WeakMap(); },
  };
}

function markOn(row, field) {
  const mark = row.marks[field];
  return mark && JSON.stringify(mark.value) === JSON.stringify(row[field]) ? mark : null;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isImage(value) {
  return isObject(value) && typeof value.url === "string" && typeof value.filename === "string";
}

function textOf(value) {
  if (Array.isArray(value)) return value.map(textOf).join(_("；"));
  return isObject(value) ? value.filename ?? JSON.stringify(value) : words(value);
}

function words(value) {
  return value === undefined || value === null ? "" : String(value);
}
