// The foot: rows, pictures, cost, how many cells have problems, and what is wrong with the active cell.

import { addUp, dueOf, pictureCount, shownNow } from "./costs.js";
import { FAILED, madePictures } from "./states.js";
import { create, show } from "../core/dom.js";
import { _, formatSum } from "../core/i18n.js";
import { soon } from "../core/timing.js";
import { budgetLeft } from "../ui/status.js";

const DELAY = 60; // ms

/** Keep the foot up to date; onSum(sum) is called each time. Returns {sum(): see sumOf, pickedRows(): those that are filled, refresh(), showProblem(text)}. */
export function makeFooter(footer, { table, model, store, onSum }) {
  const { selection, validation } = table;
  const renderSoon = soon(render, DELAY);
  let known = null;
  let picked = 0; // rows

  const sumRows = (rows, how) => sumOf(rows, { model, validation, store: store(), ...how });
  const sum = () => (known ??= sumRows(table.rows.all));
  const pickedRows = () => table.rows.all.filter((row) => selection.picked.has(row) && validation.isFilled(row));

  function refresh() {
    known = null;
    renderSoon();
  }

  function render() {
    const { rows, pictures, made, toMake, cost, problems } = sum();
    const [left, chosen, { isFiltered }] = [budgetLeft(), pickedRows(), table.rows];
    const figures = [
      _("{n} 行", { n: rows }), _("{n} 张", { n: pictures }),
      ...(made > 0 ? [_("已有 {n} 张", { n: made }), _("要做 {n} 张", { n: toMake })] : []),
      toMake === 0 ? "¥0" : formatSum(cost),
    ];
    const separator = (index) => (index === 0 ? "" : made > 0 && index === figures.length - 1 ? " " : " · ");
    footer.querySelector("[data-footer-sum]").replaceChildren(...figures.flatMap((text, index) => emphasizeNumber(text, separator(index))));
    show(footer, {
      "[data-footer-sum]": { classes: { "is-over": left !== null && cost.price > left } },
      '[data-command="start"]': { classes: { "is-idle": toMake === 0 } },
      "[data-footer-price]": cost.price > 0 ? ` · ${formatSum(cost)}` : "",
      '[data-command="only-problems"]': { hidden: problems === 0, ariaPressed: String(isFiltered) },
      '[data-command="start-part"]': {
        hidden: chosen.length === 0,
        textContent: chosen.length > 0 ? _("做选中的 {n} 行 · {sum}", { n: chosen.length, sum: formatSum(sumRows(chosen, { isAsked: true }).cost) }) : "",
      },
    });
    onSum(sum());
  }

  table.rows.watch(refresh);
  selection.watch(() => {
    if (picked === selection.picked.size) return;
    picked = selection.picked.size;
    renderSoon();
  });
  document.addEventListener("status", render); // the budget is spent elsewhere too
  return { sum, pickedRows, refresh, showProblem: (text) => show(footer, { "[data-footer-error]": text }) };
}

/**
 * What rows come to: {rows: that are filled, pictures, made, toMake, cost: {price, unpriced}, problems: cells}.
 * What is to be made is what planOrder() orders of them, whatever is marked in their cells: what failed only where these rows are asked for.
 */
export function sumOf(rows, { model, validation, store, isAsked = false }) {
  const sum = { rows: 0, pictures: 0, made: 0, toMake: 0, problems: 0 };
  const costs = [];
  for (const row of rows.filter(validation.isFilled)) {
    const shown = shownNow(row, { validation, model, store });
    const [pictures, due] = [pictureCount(row, model), isAsked || !FAILED.includes(shown.state) ? dueOf(shown) : 0];
    sum.rows += 1;
    sum.pictures += pictures;
    sum.made += Math.min(madePictures(shown).length, pictures);
    sum.problems += Object.keys(validation.problemsOf(row)).length;
    sum.toMake += due;
    if (due > 0) costs.push({ count: due, price: shown.price });
  }
  return { ...sum, cost: addUp(costs) };
}

function emphasizeNumber(text, separator) {
  const { 0: number, index } = /¥?\d[\d.,]*|$/.exec(text);
  return [separator + text.slice(0, index), create("b", { textContent: number }), text.slice(index + number.length)];
}
