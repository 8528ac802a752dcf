// What a table comes to: rows, pictures, money.

import { confirmSecondCharge } from "../messages.js";
import { MOST_PICTURES, wholeNumber } from "../table/columns.js";

/** Pictures a row asks for; a count that cannot be read counts as none. */
export function picturesOf(row) {
  const number = row.num_images === "" ? 1 : wholeNumber(row.num_images);
  return number >= 1 && number <= MOST_PICTURES ? number : 0;
}

/** CNY for all pictures of a row, NaN when nobody knows a price; for a size that is not offered yet, as the default one. */
export function priceOf(row, card) {
  const price = card.prices[`${row.aspect_ratio || "1:1"}|${row.resolution || "2K"}`] ?? card.prices["1:1|2K"];
  const extra = Math.max(row.sample_images.length - 1, 0) * card.price_extra_reference;
  return picturesOf(row) * (price === undefined ? 0 : Number(price ?? NaN) + extra);
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
    sum.pictures += picturesOf(row);
    sum.price += priceOf(row, card);
    for (const _ in checks.of(row)) sum.bad += 1;
  }
  return sum;
}

/** What may have been billed for records; NaN when the price of one is not known. */
export function stakeOf(records) {
  return records.reduce((sum, { at_stake: amount }) => sum + (amount ?? NaN), 0);
}

/** Whether these may be retried: what was charged, or may have been, only after a word about the money. */
export function agreedToRetry(records) {
  const paid = records.filter(({ charged }) => charged);
  const unsure = records.filter(({ status, at_stake: stake, charged }) => !charged && (status === "unknown" || stake !== 0));
  if (paid.length + unsure.length === 0) return true;
  const sum = stakeOf(unsure) + paid.reduce((costs, { cost }) => costs + (cost ?? NaN), 0);
  return confirmSecondCharge({ count: records.length, sum: figure(sum), isCharged: unsure.length === 0 });
}

/** A stake as the questions take it: "0.44", empty when nobody knows. */
export function figure(stake) {
  return Number.isNaN(stake) ? "" : stake.toFixed(2);
}
