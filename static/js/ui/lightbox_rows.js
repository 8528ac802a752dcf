// The rows of the pictures in the large view. An item has data-row-number, data-picture-number (its number in the row, from 1)
// and data-row-pictures (how many the row has); one without data-row-number has no row.

import { _ } from "../core/i18n.js";

/** "第 3 行 · 2/4"; only the row when it has one picture, empty without a row. */
export function captionOf(item) {
  const { rowNumber: row, pictureNumber: number, rowPictures: count } = item?.dataset ?? {};
  if (!row) return "";
  return Number(count) > 1 ? _("第 {row} 行 · {number}/{count}", { row, number, count }) : _("第 {row} 行", { row });
}

/** The link of the picture of this number in the row of `item`. */
export function ofSameRow(links, item, number) {
  return links.find((link) => isSameRow(itemOf(link), item) && Number(itemOf(link).dataset.pictureNumber) === number);
}

/** The link of the first picture after the row of the one at this index. */
export function firstOfNextRow(links, at) {
  return links.slice(at + 1).find((other) => !isSameRow(itemOf(other), itemOf(links[at])));
}

function isSameRow(item, other) {
  return item.dataset.rowNumber === other.dataset.rowNumber;
}

function itemOf(link) {
  return link.closest("[data-record-id]");
}
