// A row of a batch: its fields as they were typed, what a draft keeps of it, and what is asked of the server.

import { affixes } from "./affixes.js";
import { parseNames, refusedFields } from "./columns.js";
import { OPTIONAL, model, optionalValues, wordOf } from "./models.js";
import { blankCells, ownCells, ownColumnsOf, ownNames } from "./own_columns.js";
import { digest } from "../core/digest.js";
import { _ } from "../core/i18n.js";

const TEXTS = ["prompt", "negative_prompt", "aspect_ratio", "resolution", "num_images", "filename", "seed", "steps"];

/**
 * number  what the row is called everywhere: its line in the imported file, or the next free one (grid/rows.js)
 * marks   problems and corrections found elsewhere, by field (grid/columns.js)
 * workbook  id of the imported file that the number is a line of
 * run     id of the batch that the row was submitted with last, if it is known; asked: the digest of what was asked for then,
 *         null for a row that was not submitted before
 */
export function makeRow(fields = {}) {
  return Object.assign(Object.create(blankCells), {
    number: Number.isInteger(fields.number) && fields.number > 0 ? fields.number : null,
    ...Object.fromEntries(TEXTS.map((field) => [field, String(fields[field] ?? "")])),
    ...Object.fromEntries(OPTIONAL.map((field) => [field, wordOf(field, fields[field] ?? "")])),
    sample_images: fields.sample_images ?? [],
    marks: fields.marks ?? {},
    workbook: fields.workbook ?? null,
    run: fields.run ?? null,
    asked: fields.asked ?? null,
    ...ownCells(fields),
  });
}

export function copyRow(row) {
  return makeRow({ ...row, run: null, asked: null, number: null, workbook: null });
}

/** A row as a draft holds it -> {row, repaired}: how many cells held a value of another kind, now text or names. */
export function rowFromDraft(stored) {
  const fields = isObject(stored) ? { ...stored } : { prompt: stored };
  const wrong = TEXTS.filter((field) => typeof fields[field] === "object" && fields[field] !== null);
  for (const field of wrong) fields[field] = toText(fields[field]);
  const images = fields.sample_images ?? [];
  const isListed = Array.isArray(images) && images.every(isImage);
  if (!isListed) fields.sample_images = [images].flat().flatMap((image) => (isImage(image) ? image : parseNames(toText(image))));
  fields.marks = isObject(fields.marks) ? Object.fromEntries(Object.entries(fields.marks).filter(([, mark]) => isObject(mark))) : {};
  return { row: makeRow(fields), repaired: wrong.length + (isListed ? 0 : 1) + (isObject(stored) ? 0 : 1) };
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isImage(value) {
  return isObject(value) && typeof value.url === "string" && typeof value.filename === "string";
}

function toText(value) {
  if (Array.isArray(value)) return value.map(toText).join(_("；"));
  return isObject(value) ? value.filename ?? JSON.stringify(value) : String(value ?? "");
}

/** A row as the API for batches and the export take it. */
export function requestOf(row) {
  return {
    prompt: row.prompt, negative_prompt: row.negative_prompt, aspect_ratio: row.aspect_ratio, resolution: row.resolution,
    sample_images: row.sample_images.map(({ url, filename }) => ({ url, filename })),
    num_images: row.num_images, filename: row.filename, seed: row.seed, steps: row.steps, ...optionalValues(row),
    ...(ownNames().length > 0 && { columns: ownColumnsOf(row) }),
  };
}

/**
 * Rows as the API for checks and batches takes them, without what their models do not take. `again`: those that are
 * ordered although they were made; `change`: fields that are sent instead of the rows' own. The place among all rows is
 * sent with each, because some may be left out.
 */
export function rowsToSubmit(table, rows, { again = new Set(), change = {} } = {}) {
  const positions = new Map(table.rows.all.filter(table.validation.isFilled).map((row, index) => [row, index + 1]));
  return {
    ...affixes,
    model: model.id,
    rows: rows.map((row) => ({
      ...requestOf(row), ...withoutRefused(table.allColumns, row), ...change, number: row.number, position: positions.get(row),
      ...(again.has(row) && { repeats: "again" }),
    })),
  };
}

function withoutRefused(columns, row) {
  return Object.fromEntries(refusedFields(columns, row).map((field) => [field, ""]));
}

/** Whether a cell takes words from others by variables, so that what is wrong with it may be wrong with them. */
export function usesVariables(row, field) {
  const texts = field === "sample_images" ? row.sample_images.map(({ filename }) => filename) : [row[field]];
  return texts.some((text) => text?.includes("{"));
}

/**
 * A digest of what a row asks for: the same for rows that would become the same pictures. In another table than that of the
 * page: with its prefix and suffix and the names of its own columns.
 */
export function requestDigest(row, columns, { prefix, suffix, names = ownNames() } = affixes) {
  const { filename: _filename, columns: _own, ...request } = requestOf(row);
  Object.assign(request, withoutRefused(columns, row), { prefix, suffix, model: model.of(row).id });
  const texts = [prefix, request.prompt, suffix, request.negative_prompt, ...request.sample_images.map((image) => image.filename)];
  if (texts.some((text) => text?.includes("{"))) request.columns = ownColumnsOf(row, names); // which variables take words from
  return digest(JSON.stringify(request));
}

/** Whether the row asks for what its batch was asked for. */
export function isAsSubmitted(row, columns) {
  return Boolean(row.run) && (row.asked === null || row.asked === requestDigest(row, columns));
}

/** Whether the row was submitted before, and asks for something else now; ofTable: see requestDigest(). */
export function isChanged(row, columns, ofTable) {
  return row.asked !== null && row.asked !== requestDigest(row, columns, ofTable);
}
