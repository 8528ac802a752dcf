// A row of the table: its cells as they were typed, and as the API has them.

import { unchecked } from "./columns.js";
import { OPTIONAL, apiValueOf, wordOf } from "./models.js";
import { blankCells, fieldOfOwn, isOwnField, nameOfOwn, ownCells } from "./own_columns.js";

const TEXTS = ["prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "filename", "seed", "steps"];
const FIELDS = [...TEXTS, ...OPTIONAL, "sample_images"]; // beside the own columns

/**
 * id      on the server, null until it is there
 * number  what the row is called everywhere: its line in the imported file, or the next free one (grid/rows.js)
 * marks   problems and corrections found elsewhere, by field (grid/columns.js)
 *
 * fields: those of a row of the API, or of one of the table.
 */
export function makeRow(fields = {}) {
  const row = Object.create(blankCells);
  row.id = fields.id ?? null;
  row.number = Number.isInteger(fields.number) && fields.number > 0 ? fields.number : null;
  for (const field of FIELDS) row[field] = cellOf(field, fields[field]);
  row.marks = fields.marks ?? {};
  return Object.assign(row, ownCells(fields));
}

export function copyRow(row) {
  return makeRow({ ...row, id: null, number: null });
}

/** A value of the API -> that of a cell. */
export function cellOf(field, value) {
  if (field === "sample_images") return (value ?? []).map((image) => (image.url || image.match ? image : unchecked(image.filename)));
  return OPTIONAL.includes(field) ? wordOf(field, String(value ?? "")) : String(value ?? "");
}

/** The value of a cell -> {its name in the API: its value there}. */
export function valueOf(field, value) {
  if (isOwnField(field)) return { [nameOfOwn(field)]: value };
  if (field === "sample_images") return { sample_images: value.map(({ url, filename }) => ({ url, filename })) };
  return { [field]: OPTIONAL.includes(field) ? apiValueOf(field, value) : value };
}

/** These cells of a row as the API has them. */
export function valuesOf(row, fields) {
  return Object.assign({}, ...[...fields].map((field) => valueOf(field, row[field])));
}

/** The names of the API -> the fields of their cells. */
export function fieldOf(name) {
  return FIELDS.includes(name) ? name : fieldOfOwn(name);
}

/** A row of the API -> its values by name, own columns among them. */
export function flat(data) {
  return { ...Object.fromEntries(FIELDS.filter((field) => field in data).map((field) => [field, data[field]])), ...data.columns };
}

/** A row as the API takes a new one, without empty cells. */
export function contentOf(row) {
  const isFilled = (value) => value.length > 0;
  const own = Object.keys(blankCells).filter((field) => row[field]).map((field) => [nameOfOwn(field), row[field]]);
  const content = valuesOf(row, FIELDS.filter((field) => isFilled(row[field])));
  return own.length > 0 ? { ...content, columns: Object.fromEntries(own) } : content;
}

/** A row as the export takes it. */
export function requestOf(row) {
  return { ...contentOf(row), columns: Object.fromEntries(Object.keys(blankCells).map((field) => [nameOfOwn(field), row[field]])) };
}

/** Whether a cell takes words from others by variables, so that what is wrong with it may be wrong with them. */
export function usesVariables(row, field) {
  const texts = field === "sample_images" ? row.sample_images.map(({ filename }) => filename) : [row[field]];
  return texts.some((text) => text?.includes("{"));
}
