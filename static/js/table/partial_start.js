// What the second button beside 🚀 orders: the picked rows, those without problems, or a few to look at first.

import { _, formatSum } from "../core/i18n.js";

export const SAMPLE = 8; // rows

/**
 * sum: of all rows, see costs.js. -> {label, rows(): those to submit, null for all, sample: how many of them are made first, 0 for
 * all}; null where there is no part to order.
 */
export function partialStart({ rows, selection, validation, readOnly }, sum) {
  const { isFilled, problemsOf } = validation;
  const isGood = (row) => isFilled(row) && Object.keys(problemsOf(row)).length === 0;
  const picked = () => rows.all.filter((row) => selection.picked.has(row) && isFilled(row));
  const n = selection.picked.size > 0 ? picked().length : sum.good;
  if (readOnly || n === 0) return null;
  if (selection.picked.size > 0) return { label: _("只做选中的 {n} 行", { n }), rows: picked, sample: 0 };
  if (sum.problems > 0) return { label: _("先做没有问题的 {n} 行 · {sum}", { n, sum: formatSum(sum.goodCost) }), rows: () => rows.all.filter(isGood), sample: 0 };
  return n > SAMPLE ? { label: _("先试 {n} 行", { n: SAMPLE }), rows: () => null, sample: SAMPLE } : null;
}
