// The user's own columns: what the table keeps with its rows and knows nothing about. A row has their cells as fields
// of its own, which the grid edits like any other; which columns there are is what the rows have.

import { OPTIONAL } from "./models.js";

const PREFIX = "column:"; // of their fields

/** The prototype of every row: an empty cell for each own column of the table, in their order. */
export const blankCells = {};

export const fieldOfOwn = (name) => PREFIX + name;
export const nameOfOwn = (field) => field.slice(PREFIX.length);
export const isOwnField = (field) => field.startsWith(PREFIX);

/** {name: text} of all own columns of a row, as the API has them; names: those of the table that it is in. */
export function ownColumnsOf(row, names = ownNames()) {
  return Object.fromEntries(names.map((name) => [name, row[fieldOfOwn(name)] ?? ""]));
}

/** The cells of own columns out of a row of the API, which has `columns`, or out of one of the table. */
export function ownCells(fields) {
  const { columns } = fields;
  return Object.fromEntries(columns ? Object.entries(columns).map(([name, text]) => [fieldOfOwn(name), String(text)])
    : Object.entries(fields).filter(([field]) => isOwnField(field)));
}

/** The names of own columns, by default those of the table. */
export function ownNames(fields = Object.keys(blankCells)) {
  return fields.map((field) => field.slice(PREFIX.length));
}

/** The fields of the own columns that rows have, in their order. */
function ownFields(rows) {
  return [...new Set(rows.flatMap((row) => Object.keys(row).filter(isOwnField)))];
}

let named = []; // fields of the columns that the table has on the server

/** The own columns of the table, in their order; those that only rows have follow. */
export function setOwnNames(names) {
  named = names.map(fieldOfOwn);
}

/** Keep blankCells as the table and its rows have them; onChange() is called for other columns, also of those of OPTIONAL with a value. */
export function trackColumns(rows, onChange) {
  let used = [];
  rows.watch(({ structural, changed }) => {
    const hasValue = (field) => (structural ? rows.all : [...changed]).some((row) => row[field]);
    const before = used.join();
    used = OPTIONAL.filter((field) => (!structural && used.includes(field)) || hasValue(field));
    if ((structural && takeOwn(rows.all)) || used.join() !== before) onChange();
  });
}

// Whether there are other own columns than before.
function takeOwn(rows) {
  const fields = [...new Set([...named, ...ownFields(rows)])];
  if (fields.join("\n") === Object.keys(blankCells).join("\n")) return false;
  for (const field of Object.keys(blankCells)) delete blankCells[field];
  for (const field of fields) blankCells[field] = "";
  return true;
}
