// The foot: rows, pictures, cost, how many cells need a look, and the reason of the marked cell.

import { _, formatPrice } from "../core/i18n.js";
import { budgetLeft } from "../ui/status.js";
import { MOST_PICTURES, parseInteger } from "../grid/columns.js";
import { confirmRetryCost } from "../ui/messages.js";

/** Keep `foot` true to the table. Returns {sum(), refresh()}. */
export function makeFooter(foot, { table, card }) {
  const part = (name) => foot.querySelector(`[data-${name}]`);
  const complaint = part("footer-error");
  const problemButton = foot.querySelector('[data-command="next-problem"]');
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
    part("footer-sum").replaceChildren(...figures({ rows, pictures, price }));
    problemButton.hidden = bad === 0 || table.readOnly;
    problemButton.textContent = _("{bad} 处要改", { bad });
    const left = budgetLeft();
    part("footer-sum").classList.toggle("is-over", left !== null && price > left);
  }

  table.rows.watch(refresh);
  document.addEventListener("status", draw); // the budget is spent elsewhere too
  table.onComplaint = (text) => {
    if (complaint.textContent !== text) complaint.textContent = text;
  };
  return { sum, refresh };
}

function figures({ rows, pictures, price }) {
  return [_("{n} 行", { n: rows }), _("{n} 张", { n: pictures }), formatPrice(price)].flatMap((words, index) => {
    const [, number, rest] = /^([¥\d.,]*)(.*)$/.exec(words);
    const value = document.createElement("b");
    value.textContent = number;
    return [index > 0 ? " · " : "", value, rest];
  });
}

// What a table comes to: rows, pictures, money.


/** Pictures a row asks for; a count that cannot be read counts as none. */
export function imageCount(row) {
  const number = row.num_images === "" ? 1 : parseInteger(row.num_images);
  return number >= 1 && number <= MOST_PICTURES ? number : 0;
}

/** CNY for all pictures of a row, NaN when nobody knows a price; for a size that is not offered yet, as the default one. */
export function priceOf(row, card) {
  const price = card.prices[`${row.aspect_ratio || "1:1"}|${row.resolution || "2K"}`] ?? card.prices["1:1|2K"];
  const extra = Math.max(row.sample_images.length - 1, 0) * card.price_extra_reference;
  return imageCount(row) * (price === undefined ? 0 : Number(price ?? NaN) + extra);
}

/** {rows, blank, pictures, price, bad} over rows; `bad` counts complaints. */
export function sumOf(rows, card, checks) {
  const sum = { rows: 0, blank: 0, pictures: 0, price: 0, bad: 0 };
  for (const row of rows) {
    if (!checks.isFilled(row)) {
      sum.blank += 1;
      continue;
    }
    sum.rows += 1;
    sum.pictures += imageCount(row);
    sum.price += priceOf(row, card);
    for (const _ in checks.of(row)) sum.bad += 1;
  }
  return sum;
}

/** What may have been billed for records; NaN when the price of one is not known. */
export function amountAtRisk(records) {
  return records.reduce((sum, { at_stake: amount }) => sum + (amount ?? NaN), 0);
}

/** Whether these may be retried: what was charged, or may have been, only after a word about the money. */
export function confirmRetry(records) {
  const paid = records.filter(({ charged }) => charged);
  const unsure = records.filter(({ status, at_stake: stake, charged }) => !charged && (status === "unknown" || stake !== 0));
  if (paid.length + unsure.length === 0) return true;
  const sum = amountAtRisk(unsure) + paid.reduce((costs, { cost }) => costs + (cost ?? NaN), 0);
  return confirmRetryCost({ count: records.length, sum: formatAmount(sum), isCharged: unsure.length === 0 });
}

/** A stake as the questions take it: "0.44", empty when nobody knows. */
export function formatAmount(stake) {
  return Number.isNaN(stake) ? "" : stake.toFixed(2);
}
