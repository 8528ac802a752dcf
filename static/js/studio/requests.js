// Requests as the server draws them, put into the list: newest first, the pictures of one in their order.

import { parseHtml, removeKeepingFocus, replaceKeepingFocus } from "../core/dom.js";

/**
 * Sections with data-request-key, of which each holds the cards that changed, and data-gone for records that were deleted.
 * A request without cards stays, unseen: an undone deletion puts them back.
 */
export function mergeRequests(list, html) {
  for (const fresh of [...parseHtml(html).children]) {
    if ("gone" in fresh.dataset) removeCards(list, [fresh.dataset.recordId]);
    else if ("requestKey" in fresh.dataset) mergeRequest(list, fresh);
  }
}

/** Remove the cards of these records. */
function removeCards(list, ids) {
  for (const id of ids) {
    const card = list.querySelector(`[data-record-id="${id}"]`);
    if (card) removeKeepingFocus(card, [...list.querySelectorAll("[data-record-id]")]);
  }
}

/** What deletes cards of the list, as `deleting` of runCommand(). */
export function removesCards(list) {
  return ({ ids }) => ({ removed: () => removeCards(list, ids), restored: () => document.dispatchEvent(new Event("poll-now")) });
}

function mergeRequest(list, fresh) {
  const old = list.querySelector(`[data-request-key="${CSS.escape(fresh.dataset.requestKey)}"]`);
  if (!old) return insertRequest(list, fresh);
  replaceKeepingFocus(old.querySelector("header"), fresh.querySelector("header"));
  return mergeCards(old.querySelector("[data-cards]"), [...fresh.querySelector("[data-cards]").children]);
}

/** A new request moves all that is below it, so that what ended without a picture shrinks now. */
function insertRequest(list, fresh) {
  for (const card of list.querySelectorAll("[data-ended-at]")) card.classList.add("is-line");
  list.insertBefore(fresh, first(list, ({ dataset }) => Number(dataset.first) < Number(fresh.dataset.first)));
}

function mergeCards(cards, changed) {
  for (const card of changed) {
    const { recordId: id } = card.dataset;
    const old = cards.querySelector(`:scope > [data-record-id="${id}"]`);
    card.classList.toggle("is-line", !old && "endedAt" in card.dataset); // it was deleted, and comes back
    if (old) replaceCard(old, card);
    else cards.insertBefore(card, first(cards, ({ dataset }) => Number(dataset.recordId) > Number(id)));
  }
}

/** What is pressed, and why it failed, stays with a card that is drawn anew. */
function replaceCard(old, card) {
  const isSame = old.dataset.status === card.dataset.status;
  if (isSame && old.dataset.busy) card.dataset.busy = old.dataset.busy;
  if (isSame) card.querySelector("[data-error]").replaceChildren(...old.querySelector("[data-error]").childNodes);
  replaceKeepingFocus(old, card);
}

function first(list, matches) {
  return [...list.children].find(matches) ?? null;
}
