// The rows of the pictures in the large view. An item has data-row-number, data-picture-number (its number in the row, from 1)
// and data-row-pictures (how many the row has), and data-row-name where it is not called by its number; one without data-row-number has no row.

import { apply, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";

/** "第 3 行 · 2/4"; only the row when it has one picture, empty without a row. */
export function captionOf(item) {
  const { rowNumber: row, rowName, pictureNumber: number, rowPictures: count } = item?.dataset ?? {};
  if (!row) return "";
  const name = rowName ?? _("第 {row} 行", { row });
  return Number(count) > 1 ? `${name} · ${number}/${count}` : name;
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

/** The item of a link: the element of its record. */
export function itemOf(link) {
  return link.closest("[data-record-id]");
}

// The commands of the large view: which there are for an image, and how their buttons stand. `host`: see lightbox.js.

/** Whether the host runs this command. */
export function isHosted(host, item, name) {
  return Boolean(host.commands?.(item).includes(name));
}

/** The button of the item itself for this command. */
export function buttonOf(item, name) {
  return item?.querySelector(`[data-command="${name}"]`);
}

export function isOffered(host, item, name) {
  return isHosted(host, item, name) || Boolean(buttonOf(item, name));
}

/** Show the buttons for an image, and how many of `items` are kept and rejected: those of the list, none if it goes on beyond them. */
export function showCommands(dialog, host, item, items) {
  for (const button of dialog.querySelectorAll("[data-command]")) {
    const { command } = button.dataset;
    button.hidden = !isOffered(host, item, command);
    if (button.hidden || !button.hasAttribute("aria-pressed")) continue;
    apply(button, { ariaPressed: String(Boolean(host.isOn?.(command, item))) });
    show(button, { "[data-pick-count]": items.filter((one) => host.isOn?.(command, one)).length || "" });
  }
  const menu = dialog.querySelector("[data-lightbox-more]");
  menu.hidden = !menu.querySelector("[data-command]:not([hidden])");
}
