// Types of columns: how typed or pasted text becomes the value of a cell, and what is wrong with a value.
// What is not understood stays as it was typed, and is a problem of its cell.

import { _ } from "../core/i18n.js";

const INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"; // copying brings them along
const EACH_INVISIBLE = new RegExp(`[${INVISIBLE}]`, "g");
const AT_EDGE = new RegExp(`[\\s${INVISIBLE}]`);

/** Text of at most column.limit characters. */
export function textColumn(column) {
  const { label, limit, required } = column;
  return valueColumn(column, {
    read: (text) => trimText(text.replaceAll("\r\n", "\n")),
    check(value) {
      if (required && !value) return _("请填写{label}", { label });
      return value.length > limit ? _("{label}有 {n} 字，最多 {limit} 字", { label, n: value.length, limit }) : "";
    },
  });
}

/**
 * One of column.options; the placeholder stands for an empty cell. spell(normalised text) -> how the options write it; accepts(value):
 * whether a value that is no option is one all the same.
 */
export function choiceColumn(column, { spell, accepts = () => false, check = () => "" }) {
  const { label, options, placeholder } = column;
  const isValue = (value) => options.includes(value) || accepts(value);
  return valueColumn({ ...column, isValue }, {
    read(text) {
      const value = spell(normalise(text));
      return isValue(value) ? value : text.trim();
    },
    check(value, row) {
      if (value && !isValue(value)) return _("不支持的{label}「{value}」，可选：{options}", { label, value, options: options.join(_("、")) });
      return check(value || placeholder, row);
    },
  });
}

/** A whole number between column.low and column.high, or nothing. */
export function integerColumn(column) {
  const { label, low = 0, high } = column;
  return valueColumn(column, {
    read: (text) => String(parseInteger(text) ?? text.trim()),
    check(value) {
      const number = value && parseInteger(value);
      const isValid = value === "" || (number !== null && number >= low && number <= high);
      return isValid ? "" : _("{label}应为 {low}–{high} 的整数，现在是「{value}」", { label, low, high, value });
    },
  });
}

function valueColumn(column, { read, check }) {
  return { ...column, field: column.name, empty: "", isEditable: true, format: (value) => value, read, check };
}

/** `３`, `3.0` -> 3; null for what is no whole number. */
export function parseInteger(value) {
  const text = /^\d+$/.test(value) ? value : normalise(value); // which takes time
  return /^[+-]?\d{1,12}(\.0+)?$/.test(text) ? Number.parseInt(text, 10) : null;
}

/** NFKC, without invisible characters and white space around. */
export function normalise(value) {
  return String(value).replace(EACH_INVISIBLE, "").normalize("NFKC").trim();
}

/** The text without white space and invisible characters at its ends; inside, emoji are made with joiners. */
export function trimText(text) {
  let [start, end] = [0, text.length];
  while (start < end && AT_EDGE.test(text[start])) start += 1;
  while (end > start && AT_EDGE.test(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

/**
 * What is wrong with the cells of rows. A row in which all contentFields are empty has no problems. `columns` may change,
 * before invalidateAll(). problemElsewhere(row, field) -> what else is wrong with a cell, or "".
 * Marks are problems and corrections found elsewhere (import, server): row.marks is {field: {value, error, fixed, words}}
 * (`words` says at length what was fixed), and each counts for as long as the cell has this value.
 */
export function makeValidation(columns, contentFields, problemElsewhere = () => "") {
  const findChecked = () => columns.filter(({ field }) => field);
  let checked = findChecked();
  let known = new WeakMap(); // row -> {field: problem}
  const isFilled = (row) => contentFields.some((field) => row[field].length > 0);

  function validate(row) {
    const problems = {};
    if (!isFilled(row)) return problems;
    for (const { field, check } of checked) {
      const problem = check(row[field], row) || markOf(row, field)?.error || problemElsewhere(row, field);
      if (problem) problems[field] = problem;
    }
    return problems;
  }

  return {
    isFilled,
    problemsOf(row) {
      if (!known.has(row)) known.set(row, validate(row));
      return known.get(row);
    },
    correctionOf: (row, field) => markOf(row, field)?.fixed ?? "",
    invalidate(rows) { for (const row of rows) known.delete(row); },
    invalidateAll() {
      checked = findChecked();
      known = new WeakMap();
    },
  };
}

function markOf(row, field) {
  const mark = row.marks[field];
  return mark && JSON.stringify(mark.value) === JSON.stringify(row[field]) ? mark : null;
}
