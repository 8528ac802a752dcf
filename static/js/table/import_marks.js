// What an import corrected or could not read, as marks on the cells that still have this value.

import { refusedFields } from "./columns.js";
import { usesVariables } from "./row.js";
import { _ } from "../core/i18n.js";

/** report: see import_reports.js -> [{row, field, error, fixed, words}], see markProblems() of grid/grid.js. */
export function marksOf({ fixed: problems }, { rows, allColumns }) {
  const byNumber = new Map(rows.all.map((row) => [row.number, row]));
  const fieldOf = (header) => allColumns.find(({ headers }) => headers?.includes(header))?.field;
  return problems.flatMap((problem) => {
    const [row, field] = [byNumber.get(problem.row), fieldOf(problem.column)];
    // In what the model does not take nothing is to be corrected; what is wrong with variables is for the check to say.
    if (!row || !field || refusedFields(allColumns, row).includes(field)) return [];
    if (!problem.fixed) return usesVariables(row, field) || row[field] !== problem.seen ? [] : [{ row, field, error: problem.error }];
    return row[field] === problem.fixed ? [{ row, field, ...correction(problem) }] : [];
  });
}

function correction({ fixed, seen, error }) {
  const change = _("「{seen}」→「{taken}」", { seen, taken: fixed });
  const words = error && !error.includes(seen) ? `${change} ${error}` : error || change;
  return { error: "", fixed: _("导入时由「{seen}」更正", { seen }), words };
}
