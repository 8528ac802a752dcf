// How many pictures rows come to and what they cost.

import { ownSize, priceOfSize } from "../core/sizes.js";
import { parseInteger } from "../grid/columns.js";

/** Pictures a row asks for; a number that cannot be read counts as none. */
export function pictureCount(row, model) {
  const number = row.num_images === "" ? 1 : parseInteger(row.num_images);
  return number >= 1 && number <= model.max_pictures ? number : 0;
}

/** What the server says of a row, see shownOf() of store.js; of one that is new, or was changed since it was asked, what its cells say. */
export function shownNow(row, { validation, model, store }) {
  if (row.id !== null && !store.isStale(row)) return store.shownOf(row);
  const hasProblem = Object.keys(validation.problemsOf(row)).length > 0;
  const missing = pictureCount(row, model);
  return { state: hasProblem ? "problem" : validation.isFilled(row) ? "to_make" : "empty", pictures: [], missing, price: missing * pricePerPicture(row, model) };
}

/** How many pictures of a row 🚀 orders. */
export function dueOf({ state, missing = 0 }) {
  return ["empty", "problem", "held"].includes(state) ? 0 : missing;
}

/** CNY for one picture of a row by its model, NaN when it is unknown; a size that is not offered counts as the default one. */
export function pricePerPicture(row, model) {
  const { prices, own_sizes: rule, included_references: included, price_extra_reference: priceOfMore } = model.of(row);
  const extra = Math.max(row.sample_images.length - included, 0) * priceOfMore;
  const quality = model.qualityOf?.(row) ?? row.quality;
  const own = rule && (ownSize(row.resolution) ?? ownSize(row.aspect_ratio));
  if (own) return priceOfSize(own, rule, quality) + extra;
  const size = `${row.aspect_ratio || "1:1"}|${row.resolution || "2K"}`;
  const price = prices[`${size}|${quality}`] ?? prices[size] ?? prices["1:1|2K"];
  return price === undefined ? 0 : Number(price ?? NaN) + extra;
}

/** {price: CNY of all that is known, unpriced: images without a known price} of parts {count: images, price: CNY, null or NaN} */
export function addUp(parts) {
  const isKnown = ({ price }) => !Number.isNaN(price ?? NaN);
  const total = (name, of) => of.reduce((sum, part) => sum + part[name], 0);
  return { price: total("price", parts.filter(isKnown)), unpriced: total("count", parts.filter((part) => !isKnown(part))) };
}
