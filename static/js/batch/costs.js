// How many pictures rows come to and what they cost; what may have been charged for records.

import { parseInteger } from "../grid/columns.js";
import { confirmRetryCost } from "../ui/confirm.js";

const RETRYABLE = ["failed", "unknown", "cancelled"];

/** Pictures a row asks for; a number that cannot be read counts as none. */
export function pictureCount(row, model) {
  const number = row.num_images === "" ? 1 : parseInteger(row.num_images);
  return number >= 1 && number <= model.max_pictures ? number : 0;
}

/** CNY for all pictures of a row, NaN when the price is unknown; a size that is not offered counts as the default one. */
export function priceOf(row, model) {
  return pictureCount(row, model) * pricePerPicture(row, model);
}

/** CNY for one picture of a row. */
export function pricePerPicture(row, model) {
  const price = model.prices[`${row.aspect_ratio || "1:1"}|${row.resolution || "2K"}`] ?? model.prices["1:1|2K"];
  const extra = Math.max(row.sample_images.length - model.included_references, 0) * model.price_extra_reference;
  return price === undefined ? 0 : Number(price ?? NaN) + extra;
}

/**
 * {rows, blank, good, goodPrice, pictures, price, problems} of rows; `rows` are those that are filled, `good` those of them without
 * problems of which something is missing, as far as knownOf(row) tells: see `of` of row_check.js.
 */
export function sumOf(rows, model, validation, knownOf) {
  const filled = rows.filter(validation.isFilled);
  const good = filled.filter((row) => Object.keys(validation.problemsOf(row)).length === 0 && knownOf(row)?.missing !== 0);
  const total = (valueOf, of = filled) => of.reduce((sum, row) => sum + valueOf(row), 0);
  const price = (row) => priceOf(row, model);
  return {
    rows: filled.length,
    blank: rows.length - filled.length,
    pictures: total((row) => pictureCount(row, model)),
    price: total(price),
    good: good.length,
    goodPrice: total((row) => (knownOf(row) ? knownOf(row).price ?? NaN : price(row)), good),
    problems: total((row) => Object.keys(validation.problemsOf(row)).length),
  };
}

/** CNY that may have been charged for records; NaN when the price of one is not known. */
export function amountAtRisk(records) {
  return records.reduce((sum, { at_stake: amount }) => sum + (amount ?? NaN), 0);
}

/** The amount for confirmation dialogs, such as "0.44"; empty when unknown. */
export function formatAmount(amount) {
  return Number.isNaN(amount) ? "" : amount.toFixed(2);
}

export function retryableOf(records) {
  return records.filter(({ status }) => RETRYABLE.includes(status));
}

/** Whether to retry these: what was charged, or may have been, only after a question. */
export function confirmRetry(records) {
  const charged = records.filter((record) => record.charged);
  const uncertain = records.filter(({ status, at_stake: amount, charged: isCharged }) => !isCharged && (status === "unknown" || amount !== 0));
  if (charged.length + uncertain.length === 0) return true;
  const sum = amountAtRisk(uncertain) + charged.reduce((costs, { cost }) => costs + (cost ?? NaN), 0);
  return confirmRetryCost({ count: records.length, sum: formatAmount(sum), isCharged: uncertain.length === 0 });
}
