// The footer: rows, pictures, cost, how many cells have problems, and what is wrong with the active cell.

import { addUp, pictureCount, sumOf } from "./costs.js";
import { partialStart } from "./partial_start.js";
import { _, formatSum } from "../core/i18n.js";
import { budgetLeft } from "../ui/status.js";

const DELAY = 60; // ms

/** Keep the footer up to date; check: see row_check.js; onSum(sum) is called each time. Returns {sum() as in costs.js, refresh(), showProblem(text)}. */
export function makeFooter(footer, { table, model, check, onSum }) {
  const part = (name) => footer.querySelector(`[data-footer-${name}]`);
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
    known ??= sumOf(table.rows.all, model, table.validation, (row) => (check().isStale(row) ? null : check().of(row)));
    return known;
  }

  function render() {
    const { rows, pictures, problems } = sum();
    const left = budgetLeft();
    const { made, count, cost, isSplit } = due();
    const figures = [
      _("{n} 行", { n: rows }), _("{n} 张", { n: pictures }),
      ...(made > 0 ? [_("已有 {n} 张", { n: made })] : []),
      ...(isSplit ? [_("要做 {n} 张", { n: count })] : []),
      count === 0 ? "¥0" : formatSum(cost),
    ];
    part("sum").replaceChildren(...figures.flatMap((text, index) => emphasizeNumber(text, index === 0 ? "" : isSplit && index === figures.length - 1 ? " " : " · ")));
    part("sum").classList.toggle("is-over", left !== null && cost.price > left);
    part("sum").classList.toggle("is-stale", isSplit && check().isTotalStale);
    const { isFiltered } = table.rows;
    problemButton.hidden = problems === 0 || table.readOnly;
    onlyButton.hidden = problemButton.hidden && !isFiltered;
    onlyButton.setAttribute("aria-pressed", String(isFiltered));
    problemButton.textContent = _("{bad} 处要改", { bad: problems });
    renderPart();
    onSum(sum());
  }

  function renderPart() {
    const part = partialStart(table, sum());
    partButton.hidden = !part;
    if (part) partButton.textContent = part.label;
  }

  // What was made already, and what is to be paid: everything until the first answer, and unless something was bought.
  function due() {
    const { total } = check();
    if (!total?.made) return { made: 0, count: sum().pictures, cost: sum(), isSplit: false };
    const cost = total.price === null ? addUp(table.rows.all.map(missingOf)) : { price: total.price, unpriced: 0 };
    return { made: countMade(), count: total.new, cost, isSplit: true };
  }

  function missingOf(row) {
    const { missing = 0, price = 0 } = check().of(row) ?? {};
    return { count: missing, price };
  }

  function countMade() {
    return table.rows.all.reduce((sum, row) => sum + Math.min(check().of(row)?.made.length ?? 0, pictureCount(row, model)), 0);
  }

  function showProblem(text) {
    if (part("error").textContent !== text) part("error").textContent = text;
  }

  table.rows.watch(refresh);
  table.selection.watch(() => {
    if (picked === table.selection.picked.size) return;
    picked = table.selection.picked.size;
    renderSoon();
  });
  document.addEventListener("status", render); // the budget is spent elsewhere too
  return { sum, refresh, showProblem };
}

function emphasizeNumber(text, separator) {
  const { 0: number, index } = /¥?\d[\d.,]*|$/.exec(text);
  const value = document.createElement("b");
  value.textContent = number;
  return [separator + text.slice(0, index), value, text.slice(index + number.length)];
}
