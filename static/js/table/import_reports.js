// What an import said of a file, kept by this tab with the table that it made or changed, until the report is closed.

const KEY = "table.report.";
const MOST = 200; // corrections and changes; the table has them all

/**
 * A report is {table (id), how ("new", "update" or "add"), name (of the file), count (of rows), notes, fixed: [{row (number), column,
 * seen, fixed, error}], was: {unchanged, changed, new, removed} rows or null, changes: [{row, field, before, now}], version (to undo), isClosed,
 * isProducts: without prompts, so that a recipe is to be chosen}.
 */
export function keepReport(report) {
  try {
    sessionStorage.setItem(KEY + report.table, JSON.stringify(report));
  } catch {
    // The table has the rows and marks its problems without it.
  }
}

/** The report of a table, or null. */
export function reportOf(id) {
  try {
    return JSON.parse(sessionStorage.getItem(KEY + id));
  } catch {
    return null;
  }
}

export function forgetReport(id) {
  try {
    sessionStorage.removeItem(KEY + id);
  } catch {
    // There is none.
  }
}

/** The report of a new table, from the answers to its import and to its creation. */
export function reportOfNew(name, imported, { id }) {
  const { count, notes, problems, products: isProducts = false } = imported;
  return { table: id, how: "new", name, count, notes, fixed: problems.slice(0, MOST), was: null, changes: [], version: 0, isProducts, isClosed: isProducts };
}

/** The report of a table that a file changed, from the answer that did it; how: "update" or "add". */
export function reportOfChange(name, how, id, answer) {
  const { count, notes, problems, changed, unchanged, removed, version } = answer;
  const was = { unchanged, changed: count - unchanged - answer.new, new: answer.new, removed };
  return { table: id, how, name, count, notes, fixed: problems.slice(0, MOST), was: how === "update" ? was : null, changes: changed.slice(0, MOST), version };
}
