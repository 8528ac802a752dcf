// The foot: rows, pictures, cost, how many cells need a look, and the reason of the marked cell.

import { budgetLeft } from "../live.js";
import { sumOf } from "./money.js";
import { _ } from "../words.js";
import { yuan } from "../yuan.js";

/** Keep `foot` true to the table. Returns {sum(), refresh()}. */
export function showFoot(foot, { table, card }) {
  const part = (name) => foot.querySelector(`[data-${name}]`);
  const complaint = part("complaint");
  const problemButton = foot.querySelector('[data-do="next-problem"]');
  let known = null;
  let waiting = 0;

  function refresh() {
    known = null;
    waiting ||= setTimeout(() => {
      waiting = 0;
      draw();
    }, 60);
  }

  function sum() {
    known ??= sumOf(table.rows.all, card, table.checks);
    return known;
  }

  function draw() {
    const { rows, pictures, price, bad } = sum();
    part("sum").replaceChildren(...figures({ rows, pictures, price }));
    problemButton.hidden = bad === 0 || table.readOnly;
    problemButton.textContent = _("{bad} 处要改", { bad });
    const left = budgetLeft();
    part("sum").classList.toggle("is-over", left !== null && price > left);
  }

  table.rows.watch(refresh);
  document.addEventListener("house", draw); // the budget is spent elsewhere too
  table.onComplaint = (text) => {
    if (complaint.textContent !== text) complaint.textContent = text;
  };
  return { sum, refresh };
}

function figures({ rows, pictures, price }) {
  return [_("{n} 行", { n: rows }), _("{n} 张", { n: pictures }), yuan(price)].flatMap((words, index) => {
    const [, number, rest] = /^([¥\d.,]*)(.*)$/.exec(words);
    const value = document.createElement("b");
    value.textContent = number;
    return [index > 0 ? " · " : "", value, rest];
  });
}
