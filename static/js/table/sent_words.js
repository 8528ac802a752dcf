// The words that will be sent where they differ from what a cell holds: variables replaced, prefix and suffix around the
// prompt. The server says them with each check of the rows (row_check.js); of a run its records have them.

import { affixes } from "./affixes.js";
import { OPTIONAL } from "./models.js";
import { ownColumnsOf } from "./own_columns.js";
import { emptyVariables } from "./variables.js";
import { _ } from "../core/i18n.js";
import { validateAgain } from "../grid/grid.js";

const MAX_AFFIX = 10; // characters of a prefix or suffix that a cell shows
const MAX_TITLE = 600;
const NUMBERS = ["aspect_ratio", "resolution", "num_images", "seed", "steps", ...OPTIONAL];

/** batch: see pages/batch.js. Returns {wordsOf(row, column), problemOf(row, field)}, for makeGrid, and update(), for after each check. */
export function makeSentWords(batch) {
  const known = new WeakMap(); // row -> {answer of the last check, the fields as they were, errors: {field: error}, bases: {field: basis}}

  /** Take over what the last check said of the rows that were not changed since. */
  function update() {
    const { table, check, columns } = batch;
    const changed = table.rows.all.filter((row) => {
      const answer = check.of(row);
      const before = known.get(row);
      if (!answer || check.isStale(row) || before?.answer === answer) return false;
      const errors = Object.fromEntries(answer.problems.map((problem) => [fieldToCorrect(row, problem), problem.error]));
      known.set(row, { answer, prompt: row.prompt, filename: row.filename, errors, bases: basesOf(row, Object.keys(errors)) });
      return JSON.stringify(before?.errors ?? {}) !== JSON.stringify(errors);
    });
    if (changed.length === 0) return;
    const wrong = new Set(changed.flatMap((row) => Object.keys(known.get(row).errors)));
    const hidden = table.allColumns.filter((column) => wrong.has(column.field) && !columns.isShown(column));
    if (hidden.length > 0) columns.show(hidden, true);
    validateAgain(table, changed);
  }

  // An empty cell is to be filled where it is, not where it is named.
  function fieldToCorrect(row, { field, error }) {
    const { prefix, suffix } = affixes;
    const named = field === "sample_images" ? row.sample_images.map(({ filename }) => filename) : [row[field] ?? ""];
    const empty = emptyVariables(row, field === "prompt" ? [prefix, ...named, suffix] : named);
    return [...empty].find(([name]) => error.includes(name))?.[1] ?? field;
  }

  /** What the last check found wrong with a cell, for as long as nothing that it depends on was changed. */
  function problemOf(row, field) {
    const { errors = {}, bases } = (!batch.run && known.get(row)) || {};
    return errors[field] && bases[field] === basisOf(row, field) ? errors[field] : "";
  }

  function wordsOf(row, { field }) {
    if (!row[field] || batch.run?.canEdit(row, { field })) return null;
    const { prefix, suffix } = batch.run ?? affixes;
    const sent = (batch.run ? runWords : draftWords)(row, field);
    if (!sent || sent === row[field]) return null;
    const title = [_("模板：{text}", { text: row[field] }), _("送出：{text}", { text: sent })].map((line) => line.slice(0, MAX_TITLE)).join("\n");
    const parts = field === "prompt" ? withoutAffixes(sent, prefix, suffix) : { text: sent };
    return { ...parts, isFilled: parts.text !== row[field], title };
  }

  function draftWords(row, field) {
    const last = known.get(row);
    if (last?.[field] !== row[field] || last.answer.problems.some((problem) => problem.field === field)) return "";
    const { prompt, filename, name_taken: isTaken, missing } = last.answer;
    if (field === "prompt") return prompt;
    return row.filename.includes("{") || (isTaken && missing > 0) ? filename : "";
  }

  function runWords(row, field) {
    const [record] = batch.recordsOf(row);
    return { prompt: record?.prompt, negative_prompt: record?.negative_prompt, filename: record?.requested_filename }[field] ?? "";
  }

  return { wordsOf, problemOf, update };
}

function basesOf(row, fields) {
  return Object.fromEntries(fields.map((field) => [field, basisOf(row, field)]));
}

// What an error of a cell depends on: of the words of a row its variables and its model do, of the others size, options and the value itself.
function basisOf(row, field) {
  if (NUMBERS.includes(field)) return JSON.stringify([row.aspect_ratio, row.resolution, row[field], ...OPTIONAL.map((name) => row[name])]);
  const { prompt, negative_prompt: negative, filename, sample_images: images } = row;
  return JSON.stringify([row.model, prompt, negative, filename, images.map((image) => image.filename), ownColumnsOf(row)]);
}

// A prefix with variables is not recognised.
function withoutAffixes(sent, prefix = "", suffix = "") {
  const [start, end] = [prefix.trimStart(), suffix.trimEnd()];
  const before = start && sent.startsWith(start) ? start : "";
  const after = end && sent.slice(before.length).endsWith(end) ? end : "";
  return { before: shorten(before), text: sent.slice(before.length, sent.length - after.length), after: shorten(after) };
}

function shorten(text) {
  return text.length > MAX_AFFIX ? `${text.slice(0, MAX_AFFIX)}…` : text;
}
