// Orders rows as a batch.

import { requestDigest, rowsToSubmit, usesVariables } from "./row.js";
import { postOnce } from "../core/orders.js";
import { markProblems } from "../grid/grid.js";

/**
 * Order what is missing of rows, and `again` in any case: {id: of the batch, null when nothing was missing, skipped: rows of
 * which pictures were left out}; `again` and `change` as in rowsToSubmit, `options` of the batch. The rows remember their batch; problems that the
 * server finds are marked on their cells.
 */
export async function submitRows(url, table, rows, { name = "", uniqueName = false, about = "", workbook = null, options = {}, ...asked } = {}) {
  try {
    const body = { name, ...(uniqueName && { unique_name: true }), source: "batch", repeats: "skip", ...(workbook && { workbook }), ...options, ...rowsToSubmit(table, rows, asked) };
    const { batch_id: id, skipped } = await postOnce(url, body, { about, ofDraft: true });
    if (id) for (const row of rows) Object.assign(row, { run: id, asked: requestDigest(row, table.allColumns) });
    return { id, skipped };
  } catch (failure) {
    if (failure.field === "workbook") for (const row of rows) row.workbook = null; // it is not kept any more: the next attempt goes without it
    const problems = failure.problems.map(({ row, field, error }) => ({ row: rows[row - 1], field, error }));
    markProblems(table, problems.filter(({ row, field }) => !row || !usesVariables(row, field))); // those are for the check to say
    throw failure;
  }
}

/** The imported file that rows are lines of; null when there are several. */
export function workbookOf(rows) {
  const [id = null, ...others] = new Set(rows.map(({ workbook }) => workbook).filter(Boolean));
  return others.length > 0 ? null : id;
}
