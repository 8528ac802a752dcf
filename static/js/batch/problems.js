// Complaints from elsewhere (import, server) marked on cells, and the way to the next one.

/** Mark complaints on rows: [{row, field, error, fixed?, words?}]; each stays while the cell keeps its value. */
export function markProblems(table, problems) {
  const touched = new Set();
  for (const { row, field, error, fixed, words } of problems) {
    if (!row || !(field in row)) continue;
    row.marks = { ...row.marks, [field]: { value: row[field], error, fixed, words } };
    touched.add(row);
  }
  table.checks.forget(touched);
  table.look();
}

/** Go to a cell and put the focus there. */
export function goToCell(table, row, field) {
  const index = table.rows.indexOf(row);
  if (index < 0) return;
  table.selection.goTo(index, Math.max(table.columns.findIndex((column) => column.field === field), 0));
  table.editor.focus();
}

/** The next complaint after the active cell, from the top again at the end. */
export function goToNextProblem(table) {
  const { rows, columns, selection, checks } = table;
  const start = selection.shown ? selection.row : -1;
  for (let step = 0; step <= rows.length; step += 1) {
    const index = (Math.max(start, 0) + step) % rows.length;
    const found = checks.of(rows.at(index));
    const column = columns.find(({ field }, place) => found[field] && (step > 0 || start < 0 || place > selection.column));
    if (column) return goToCell(table, rows.at(index), column.field);
  }
  return undefined;
}
