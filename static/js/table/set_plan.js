// What the sets of a table with a recipe come to: which are not complete, what can be tried first, what is released. No page, no call.

import { addUp } from "./costs.js";
import { _, formatSum } from "../core/i18n.js";

const MOST_NAMED = 3; // roles on a button

/** The products with a role of which no picture is kept; the server counts them in totals.sets. */
export function incompleteOf(rows, shownOf) {
  const isKept = ({ status, pick, earlier }) => status === "success" && pick === "keep" && !earlier;
  const lacking = rows.map(shownOf).filter(({ product, is_gone: isGone, pictures }) => product && !isGone && !pictures.some(isKept));
  return new Set(lacking.map(({ product }) => product));
}

/**
 * What can be tried first of what is ordered, entries of planOrder(): [{words, size: products}]. The server chooses the same: the first
 * product, and the first of each other category. rows: all of the table.
 */
export function trialsOf(ordered, { shownOf, rows, categoryOf }) {
  const places = new Map(rows.map((row, index) => [row, index]));
  const entries = [...ordered].sort((one, other) => places.get(one.row) - places.get(other.row));
  const products = Map.groupBy(entries, ({ row }) => shownOf(row).product || row);
  if (products.size < 2 || !entries.some(({ row }) => shownOf(row).product)) return [];
  const first = new Map(); // category -> product
  for (const [product, [{ row }]] of [...products].reverse()) first.set(categoryOf(row), product);
  const trialOf = (words, chosen) => {
    const parts = chosen.flatMap((product) => products.get(product));
    return { words, size: chosen.length, pictures: parts.reduce((sum, { count }) => sum + count, 0), ...addUp(parts) };
  };
  const one = trialOf(_("先试 {n} 个产品", { n: 1 }), [[...products.keys()][0]]);
  const each = trialOf(_("每类先试 1 个（{n} 个）", { n: first.size }), [...first.values()]);
  return first.size > 1 && first.size < products.size ? [one, each] : [one];
}

/** What is sent to release some of the roles; of all, nothing. */
export function releasedRoles({ lines }) {
  const on = lines.filter(({ isOn }) => isOn);
  return on.length < lines.length && { roles: on.map(({ role }) => role) };
}

/** The words of the button that releases roles; null where none is chosen. */
export function releaseWords(plan) {
  if (plan.made === 0) return null;
  const names = plan.lines.filter(({ isOn }) => isOn).map(({ words }) => words);
  const roles = names.length > MOST_NAMED ? _("{n} 个角色", { n: names.length }) : names.join(_("、"));
  return _("做 {roles} · {n} 张 {sum}", { roles, n: plan.pictures, sum: formatSum(plan) });
}
