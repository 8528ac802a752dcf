// The footer: rows, pictures, cost, how many cells have problems, and what is wrong with the active cell.

import { sumOf } from "./costs.js";
import { _, formatPrice } from "../core/i18n.js";
import { budgetLeft } from "../ui/status.js";

const DELAY = 60; // ms

/** Keep the footer up to date. Returns {sum() as in costs.js, refresh(), showProblem(text)}. */
export function makeFooter(footer, { table, model }) {
  const part = (name) => footer.querySelector(`[data-footer-${name}]`);
  const problemButton = footer.querySelector('[data-command="next-problem"]');
  let known = null;
  let timer = 0;

  function refresh() {
    known = null;
    timer ||= setTimeout(() => {
      timer = 0;
      render();
    }, DELAY);
  }

  function sum() {
    known ??= sumOf(table.rows.all, model, table.validation);
    return known;
  }

  function render() {
    const { rows, pictures, price, problems } = sum();
    const left = budgetLeft();
    const figures = [_("{n} 行", { n: rows }), _("{n} 张", { n: pictures }), formatPrice(price)];
    part("sum").replaceChildren(...figures.flatMap(emphasizeNumber));
    part("sum").classList.toggle("is-over", left !== null && price > left);
    problemButton.hidden = problems === 0 || table.readOnly;
    problemButton.textContent = _("{bad} 处要改", { bad: problems });
  }

  function showProblem(text) {
    if (part("error").textContent !== text) part("error").textContent = text;
  }

  table.rows.watch(refresh);
  document.addEventListener("status", render); // the budget is spent elsewhere too
  return { sum, refresh, showProblem };
}

function emphasizeNumber(text, index) {
  const [, number, rest] = /^([¥\d.,]*)(.*)$/.exec(text);
  const value = document.createElement("b");
  value.textContent = number;
  return [index > 0 ? " · " : "", value, rest];
}
