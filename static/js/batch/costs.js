// How many pictures rows come to and what they cost; which records can be retried.

import { parseInteger } from "../grid/columns.js";

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

/** CNY for one picture of a row by its model. */
export function pricePerPicture(row, model) {
  const { prices, included_references: included, price_extra_reference: priceOfMore } = model.of(row);
  const price = prices[`${row.aspect_ratio || "1:1"}|${row.resolution || "2K"}`] ?? prices["1:1|2K"];
  const extra = Math.max(row.sample_images.length - included, 0) * priceOfMore;
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

export function retryableOf(records) {
  return records.filter(({ status }) => RETRYABLE.includes(status));
}
