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

/** {price: CNY of all that is known, unpriced: images without a known price} of parts {count: images, price: CNY, null or NaN} */
export function addUp(parts) {
  const isKnown = ({ price }) => !Number.isNaN(price ?? NaN);
  const total = (name, of) => of.reduce((sum, part) => sum + part[name], 0);
  return { price: total("price", parts.filter(isKnown)), unpriced: total("count", parts.filter((part) => !isKnown(part))) };
}

/**
 * {rows, blank, good, goodCost, pictures, price, unpriced, problems} of rows; `rows` are those that are filled, `good` those of them without
 * problems of which something is missing, as far as knownOf(row) tells: see `of` of row_check.js.
 */
export function sumOf(rows, model, validation, knownOf) {
  const filled = rows.filter(validation.isFilled);
  const good = filled.filter((row) => Object.keys(validation.problemsOf(row)).length === 0 && knownOf(row)?.missing !== 0);
  const total = (valueOf) => filled.reduce((sum, row) => sum + valueOf(row), 0);
  const partOf = (row) => ({ count: pictureCount(row, model), price: priceOf(row, model) });
  const knownPart = (row) => (knownOf(row) ? { count: knownOf(row).missing, price: knownOf(row).price } : partOf(row));
  return {
    rows: filled.length,
    blank: rows.length - filled.length,
    pictures: total((row) => pictureCount(row, model)),
    ...addUp(filled.map(partOf)),
    good: good.length,
    goodCost: addUp(good.map(knownPart)),
    problems: total((row) => Object.keys(validation.problemsOf(row)).length),
  };
}

export function retryableOf(records) {
  return records.filter(({ status }) => RETRYABLE.includes(status));
}
