// What is wrong in the table, by kind: one group for the same value of a column, the same image that is not there, or the same sentence.

import { _ } from "../core/i18n.js";

const MAX_VALUE_LENGTH = 60;

/**
 * -> {groups: those of most rows first, corrections, count: of cells with a problem}
 *
 * A group is {key, kind, column, value, text, title, rows}: rows in their order, `text` without the name of the column, `title` the
 * sentence that the cell of the first row has. kind: choice (none of the options), number (no whole number in its bounds),
 * blank, long, reference (not in the library, or several are; `value` is its name), excess (of references), refused (references
 * at all), or other. A correction is {row: the first one, field, label, text, cells: how many}.
 */
export function groupProblems({ rows, allColumns, validation }, model) {
  const columns = new Map(allColumns.filter(({ field }) => field).map((column) => [column.field, column]));
  const groups = new Map();
  const corrections = new Map();
  let count = 0;

  function add(row, column, title, part) {
    const key = [column.field, part.kind, part.value ?? part.text].join("\0");
    if (!groups.has(key)) groups.set(key, { value: "", ...part, key, column, title, rows: [] });
    groups.get(key).rows.push(row);
  }

  function addCorrection(row, { field, label }) {
    const correction = validation.correctionOf(row, field);
    if (!correction) return;
    const text = row.marks[field].words ?? correction;
    const key = `${field}\0${text}`;
    if (!corrections.has(key)) corrections.set(key, { row, field, label, text, cells: 0 });
    corrections.get(key).cells += 1;
  }

  for (const row of rows.all) {
    for (const [field, problem] of Object.entries(validation.problemsOf(row))) {
      const column = columns.get(field);
      count += 1;
      for (const part of partsOf(problem, row, column, model)) add(row, column, problem, part);
    }
    for (const field of Object.keys(row.marks)) if (columns.has(field)) addCorrection(row, columns.get(field));
  }
  const sorted = [...groups.values()].sort((one, other) => other.rows.length - one.rows.length);
  return { groups: sorted, corrections: [...corrections.values()], count };
}

// What is wrong with a cell: [{kind, value?, text}], several for a cell of several references.
function partsOf(problem, row, column, model) {
  const value = row[column.field];
  if (column.kind === "references") return referenceParts(problem, value, model.of(row));
  const isOfServer = problem !== column.check(value, row);
  if (isOfServer && (column.kind !== "choice" || column.options.includes(value))) return [{ kind: "other", text: withValue(problem, value) }];
  if (value === "") return [{ kind: "blank", text: _("没有填写") }];
  if (column.kind === "integer") return [{ kind: "number", value, text: quote(value) }];
  if (column.kind === "choice") return [{ kind: "choice", value, text: column.isValue(value) ? problem : quote(value) }];
  if (column.limit && value.length > column.limit) return [{ kind: "long", text: _("超过 {limit} 字", { limit: column.limit }) }];
  return [{ kind: "other", text: withValue(problem, value) }];
}

function referenceParts(problem, images, { local_reference_problem: refusal, max_references: most }) {
  if (problem === refusal) return [{ kind: "refused", text: problem }];
  if (images.length > most) return [{ kind: "excess", text: _("超过 {most} 张", { most }) }];
  const missing = images.filter(({ url, match, filename }) => !url && match !== "variable" && !(match === "unchecked" && filename.includes("{"))); // the server knows variables
  if (missing.length === 0) return [{ kind: "other", text: problem }];
  const byName = new Map(missing.map((image) => [image.filename, image]));
  return [...byName.values()].map((image) => ({ kind: "reference", value: image.filename, text: missingText(image) }));
}

function missingText({ filename, match, error }) {
  if (error) return _("查不了示例图「{filename}」：{trouble}", { filename, trouble: error });
  if (match === "unchecked") return _("正在查找示例图「{filename}」…", { filename });
  return match === "ambiguous" ? _("有几张都叫「{asked}」", { asked: filename }) : _("没有找到「{asked}」", { asked: filename });
}

function quote(seen) {
  return _("「{seen}」", { seen: seen.length > MAX_VALUE_LENGTH ? `${seen.slice(0, MAX_VALUE_LENGTH)}…` : seen });
}

function withValue(problem, value) {
  const seen = typeof value === "string" && value.length <= MAX_VALUE_LENGTH ? value : "";
  return problem + (seen && !problem.includes(seen) ? _("（现在是「{seen}」）", { seen }) : "");
}
