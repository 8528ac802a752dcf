// The foot: rows, pictures, cost, how many cells have problems, and what is wrong with the active cell.

import { addUp, pictureCount, priceOf } from "./costs.js";
import { madePictures } from "./states.js";
import { _, formatSum } from "../core/i18n.js";
import { budgetLeft } from "../ui/status.js";

const DELAY = 60; // ms

/** Keep the foot up to date; onSum(sum) is called each time. Returns {sum(): see sumOf, part(): {rows, label} or null, refresh(), showProblem(text)}. */
export function makeFooter(footer, { table, model, store, onSum }) {
  const part = (hook) => footer.querySelector(hook);
  const [problemButton, onlyButton, partButton] = ["next-problem", "only-problems", "start-part"].map((name) => footer.querySelector(`[data-command="${name}"]`));
  let known = null;
  let timer = 0;
  let picked = 0; // rows

  function refresh() {
    known = null;
    renderSoon();
  }

  function renderSoon() {
    timer ||= setTimeout(() => {
      timer = 0;
      render();
    }, DELAY);
  }

  function sum() {
    known ??= sumOf(table.rows.all, { model, validation: table.validation, store: store() });
    return known;
  }

  function render() {
    const { rows, pictures, made, toMake, cost, problems } = sum();
    const left = budgetLeft();
    const figures = [
      _("{n} 行", { n: rows }), _("{n} 张", { n: pictures }),
      ...(made > 0 ? [_("已有 {n} 张", { n: made }), _("要做 {n} 张", { n: toMake })] : []),
      toMake === 0 ? "¥0" : formatSum(cost),
    ];
    part("[data-footer-sum]").replaceChildren(...figures.flatMap((text, index) => emphasizeNumber(text, index === 0 ? "" : made > 0 && index === figures.length - 1 ? " " : " · ")));
    part("[data-footer-price]").textContent = cost.price > 0 ? ` · ${formatSum(cost)}` : "";
    part("[data-footer-sum]").classList.toggle("is-over", left !== null && cost.price > left);
    const { isFiltered } = table.rows;
    problemButton.hidden = problems === 0;
    onlyButton.hidden = problems === 0 && !isFiltered;
    onlyButton.setAttribute("aria-pressed", String(isFiltered));
    problemButton.textContent = _("{bad} 处要改", { bad: problems });
    const some = partOf();
    partButton.hidden = !some;
    partButton.textContent = some?.label ?? "";
    onSum(sum());
  }

  // The picked rows, or where some have problems the others.
  function partOf() {
    const { problems, good } = sum();
    const chosen = table.rows.all.filter((row) => table.selection.picked.has(row) && table.validation.isFilled(row));
    const rows = chosen.length > 0 ? chosen : problems > 0 ? good : [];
    if (rows.length === 0) return null;
    const { cost } = sumOf(rows, { model, validation: table.validation, store: store() });
    const words = { n: rows.length, sum: formatSum(cost) };
    return { rows, label: chosen.length > 0 ? _("做选中的 {n} 行 · {sum}", words) : _("做没有问题的 {n} 行 · {sum}", words) };
  }

  function showProblem(text) {
    if (part("[data-footer-error]").textContent !== text) part("[data-footer-error]").textContent = text;
  }

  table.rows.watch(refresh);
  table.selection.watch(() => {
    if (picked === table.selection.picked.size) return;
    picked = table.selection.picked.size;
    renderSoon();
  });
  document.addEventListener("status", render); // the budget is spent elsewhere too
  return { sum, part: partOf, refresh, showProblem };
}

/**
 * What rows come to: {rows: that are filled, pictures, made, toMake, cost: {price, unpriced}, problems: cells, good: rows without any of which
 * something is to be made}. What was changed since the server was asked counts as it stands.
 */
function sumOf(rows, { model, validation, store }) {
  const filled = rows.filter(validation.isFilled);
  const total = (valueOf) => filled.reduce((sum, row) => sum + valueOf(row), 0);
  const problemsOf = (row) => Object.keys(validation.problemsOf(row)).length;
  const known = new Map(filled.map((row) => [row, row.id !== null && !store.isStale(row) ? store.shownOf(row) : null]));
  const lacking = (row) => known.get(row)?.missing ?? pictureCount(row, model);
  const costOf = (row) => ({ count: lacking(row), price: known.get(row) ? known.get(row).price : priceOf(row, model) });
  const good = filled.filter((row) => problemsOf(row) === 0 && lacking(row) > 0);
  return {
    rows: filled.length,
    pictures: total((row) => pictureCount(row, model)),
    made: total((row) => (known.get(row) ? Math.min(madePictures(known.get(row)).length, pictureCount(row, model)) : 0)),
    toMake: good.reduce((sum, row) => sum + lacking(row), 0),
    cost: addUp(good.map(costOf)),
    problems: total(problemsOf),
    good,
  };
}

function emphasizeNumber(text, separator) {
  const { 0: number, index } = /¥?\d[\d.,]*|$/.exec(text);
  const value = document.createElement("b");
  value.textContent = number;
  return [separator + text.slice(0, index), value, text.slice(index + number.length)];
}
