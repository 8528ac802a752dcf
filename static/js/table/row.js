// One row of the batch table: its fields as they were typed, the marks left on them, and what is wrong.

import { readNames } from "./columns.js";
import { _ } from "../words.js";

const TEXTS = ["prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "filename", "seed", "steps"];

// `run` is the batch that the row was ordered with last, `asked` the digest of what was asked for then (posting.js).
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
  if (!isListed) fields.sample_images = [images].flat().flatMap((image) => (isImage(image) ? image : readNames(textOf(image))));
  fields.marks = isObject(fields.marks) ? Object.fromEntries(Object.entries(fields.marks).filter(([, mark]) => isObject(mark))) : {};
  return { row: makeRow(fields), repaired: wrong.length + (isListed ? 0 : 1) + (isObject(kept) ? 0 : 1) };
}

export function copyOfRow(row) {
  return makeRow({ ...row, run: null, asked: null, number: null });
}

/** of(row) -> {field: complaint}, remembered until forget(rows). A row without any of the contentFields is empty: it has none. */
export function makeChecks(columns, contentFields) {
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
