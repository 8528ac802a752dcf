// Rows of the table on their way to the server: as it takes them, as a digest, and posted.

import { digest, postOnce } from "../core/orders.js";
import { unusedFields } from "../grid/columns.js";
import { markProblems } from "../grid/grid.js";

/** A row as the API for batches and the export take it. */
export function requestOf(row) {
  return {
    prompt: row.prompt, negative_prompt: row.negative_prompt, aspect_ratio: row.aspect_ratio, resolution: row.resolution,
    sample_images: row.sample_images.map(({ url, filename }) => ({ url, filename })),
    num_images: row.num_images, filename: row.filename, seed: row.seed, steps: row.steps,
  };
}

// What the model does not take stays in the table.
function takenOf(row, columns) {
  return { ...requestOf(row), number: row.number, ...Object.fromEntries(unusedFields(columns).map((field) => [field, ""])) };
}

/** What a row asks for, as a digest: the same for rows that would become the same pictures. */
export function requestDigest(row, columns) {
  const { number: _number, filename: _filename, ...asked } = takenOf(row, columns);
  return digest(JSON.stringify(asked));
}

/** Post rows, which keep their batch; complaints of the server are marked on their cells. Returns the batch id, or throws HttpError. */
export async function postRows(url, table, rows, { name = "", about = "" } = {}) {
  try {
    const body = { name, source: "batch", rows: rows.map((row) => takenOf(row, table.columns)) };
    const { batch_id: id } = await postOnce(url, body, { about, ofDraft: true });
    for (const row of rows) Object.assign(row, { run: id, asked: requestDigest(row, table.columns) });
    return id;
  } catch (failure) {
    markProblems(table, failure.problems.map(({ row, field, error }) => ({ row: rows[row - 1], field, error })));
    throw failure;
  }
}
