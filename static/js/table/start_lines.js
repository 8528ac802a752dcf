// What a run comes to, by what is known of the rows: the lines of the start dialog.

import { addUp, pictureCount, priceOf } from "./costs.js";
import { isChanged } from "./row.js";
import { _, formatSum } from "../core/i18n.js";

/** Those of which pictures are missing are ordered, the others only when it is asked for, or not at all. */
const ORDERED = ["new", "changed", "partial", "trashed"];
export const REPEATABLE = ["made", "charged", "same"];
const WORDS = {
  new: (n) => _("新的 {n} 行", { n }),
  changed: (n) => _("改过的 {n} 行", { n }),
  partial: (n) => _("还差几张的 {n} 行", { n }),
  trashed: (n) => _("在回收站的 {n} 行", { n }),
  made: (n) => _("没有变的 {n} 行（已有）", { n }),
  charged: (n) => _("失败但已计费的 {n} 行", { n }),
  same: (n) => _("与别的行相同的 {n} 行", { n }),
  under_way: (n) => _("生成中的 {n} 行", { n }),
  unknown: (n) => _("结果未知的 {n} 行", { n }),
};

/** checked: row -> its part of the answer, see row_check.js. -> {kind: [row]} */
export function groupRows(table, checked) {
  const groups = Object.fromEntries(Object.keys(WORDS).map((kind) => [kind, []]));
  for (const [row, part] of checked) groups[kindOf(row, part, table.allColumns)].push(row);
  return groups;
}

function kindOf(row, { missing, same_as: sameAs, made, under_way: open, unknown, charged, trashed }, columns) {
  if (missing > 0) {
    if (trashed.length > 0) return "trashed";
    if (made.length + open.length + unknown.length + charged.length > 0) return "partial";
    return isChanged(row, columns) ? "changed" : "new";
  }
  if (unknown.length > 0) return "unknown";
  if (open.length > 0) return "under_way";
  if (made.length > 0) return "made";
  return charged.length > 0 || sameAs === null ? "charged" : "same";
}

/** The rows to submit: what is missing, and all of the kinds of `again`, a set. ->
    {rows, again: set of rows, pictures, price, unpriced, isUniform: whether each row comes to the same, byModel: model -> pictures} */
export function orderOf(table, checked, groups, again, model) {
  const repeated = new Set([...again].flatMap((kind) => groups[kind]));
  const ordered = new Set(ORDERED.flatMap((kind) => groups[kind]));
  const rows = table.rows.all.filter((row) => ordered.has(row) || repeated.has(row));
  const due = (row) => (repeated.has(row) ? { count: pictureCount(row, model), price: priceOf(row, model) } : missingOf(checked.get(row)));
  const sums = rows.map(due);
  const isUniform = sums.every(({ count, price }) => count === sums[0].count && price === sums[0].price);
  const byModel = new Map();
  rows.forEach((row, index) => byModel.set(model.of(row), (byModel.get(model.of(row)) ?? 0) + sums[index].count));
  return { rows, again: repeated, pictures: total(sums), ...addUp(sums), isUniform, byModel };
}

function missingOf({ missing, price }) {
  return { count: missing, price };
}

const total = (sums) => sums.reduce((sum, { count }) => sum + count, 0);

/** [{kind, words, pictures, price, unpriced, option: words for what can be chosen, or ""}], those of no rows left out */
export function linesOf(groups, checked, model) {
  return [
    missingLine(["new", "changed", "partial"], groups, checked),
    missingLine(["trashed"], groups, checked),
    ...REPEATABLE.map((kind) => repeatLine(kind, groups[kind], model)),
    freeLine(["under_way", "unknown"], groups),
  ].filter(({ words }) => words);
}

function wordsOf(kinds, groups) {
  return kinds.filter((kind) => groups[kind].length > 0).map((kind) => WORDS[kind](groups[kind].length)).join(" · ");
}

function missingLine(kinds, groups, checked) {
  const sums = kinds.flatMap((kind) => groups[kind]).map((row) => missingOf(checked.get(row)));
  const option = kinds[0] === "trashed" ? _("恢复，不再做") : "";
  return { kind: kinds[0], words: wordsOf(kinds, groups), pictures: total(sums), ...addUp(sums), option };
}

function repeatLine(kind, rows, model) {
  const sums = rows.map((row) => ({ count: pictureCount(row, model), price: priceOf(row, model) }));
  const values = { n: total(sums), sum: formatSum(addUp(sums)) };
  const option = kind === "same" ? _("也各做一份（{n} 张 {sum}）", values) : _("再做一遍（{n} 张 {sum}）", values);
  return { kind, words: wordsOf([kind], { [kind]: rows }), pictures: 0, price: 0, unpriced: 0, option };
}

function freeLine(kinds, groups) {
  return { kind: kinds[0], words: wordsOf(kinds, groups), pictures: 0, price: 0, unpriced: 0, option: "" };
}
