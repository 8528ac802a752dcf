// The words that will be sent where they differ from what a cell holds: variables replaced. The server says them, and what
// is wrong with them, with each answer.

import { emptyVariables } from "./variables.js";
import { _ } from "../core/i18n.js";
import { ownSize } from "../core/sizes.js";
import { validateAgain } from "../grid/grid.js";

const MAX_TITLE = 600;
const SIZE = ["aspect_ratio", "resolution"]; // one thing in two cells

/** columns: see column_choice.js. Returns {wordsOf(row, column), problemOf(row, field)}, for makeGrid, and update(rows), for after each answer. */
export function makeSentWords({ table, store, columns }) {
  const known = new WeakMap(); // row -> {typed: what these were of at the answer, errors: {field: error}}

  function update(rows) {
    const changed = [...rows].filter((row) => !store.isStale(row) && take(row));
    if (changed.length === 0) return;
    const wrong = new Set(changed.flatMap((row) => Object.keys(known.get(row).errors)));
    const hidden = table.allColumns.filter((column) => wrong.has(column.field) && !columns.isShown(column));
    if (hidden.length > 0) columns.show(hidden, true);
    validateAgain(table, changed);
  }

  // Whether there are other problems than before.
  function take(row) {
    const { sent, problems } = store.shownOf(row);
    const errors = Object.fromEntries(problems.map((problem) => [fieldToCorrect(row, problem), problem.error]));
    const before = known.get(row)?.errors ?? {};
    known.set(row, { typed: Object.fromEntries([...SIZE, ...Object.keys({ ...sent, ...errors })].map((field) => [field, row[field]])), errors });
    return JSON.stringify(before) !== JSON.stringify(errors);
  }

  // An empty cell is to be filled where it is, not where it is named; a width and height are changed where they stand.
  function fieldToCorrect(row, { field, error }) {
    if (field === "resolution" && ownSize(row.aspect_ratio)) return "aspect_ratio";
    const named = field === "sample_images" ? row.sample_images.map(({ filename }) => filename) : [row[field] ?? ""];
    return [...emptyVariables(row, named)].find(([name]) => error.includes(name))?.[1] ?? field;
  }

  /** What the server found wrong with a cell, until it is changed; with a size, until either of its cells is. */
  function problemOf(row, field) {
    const { errors = {}, typed } = known.get(row) ?? {};
    const isAsTyped = (name) => textOf(typed[name]) === textOf(row[name]);
    return errors[field] && (SIZE.includes(field) ? SIZE : [field]).every(isAsTyped) ? errors[field] : "";
  }

  function wordsOf(row, { field }) {
    const sent = store.shownOf(row).sent[field];
    if (!sent || !row[field] || sent === row[field] || known.get(row)?.typed[field] !== row[field]) return null;
    const title = [_("模板：{text}", { text: row[field] }), _("送出：{text}", { text: sent })].map((line) => line.slice(0, MAX_TITLE)).join("\n");
    return { text: sent, title };
  }

  return { wordsOf, problemOf, update };
}

// References are looked up after the answer: only their names count.
const textOf = (value) => (Array.isArray(value) ? value.map(({ filename }) => filename).join("\n") : value ?? "");
