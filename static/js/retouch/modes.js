// What can be done with a picture, and what is asked of the server for it.

import { _, formatPrice } from "../core/i18n.js";

/**
 * The modes of a picture: [{name, label, kind, models: [{id, label, price, …}]}], from the answer of GET …/edit.
 * kind: "place", "edges" or "press", with nothing to draw.
 */
export function modesOf({ models, vary, enlarge }) {
  const priced = models.map((model) => ({ ...model, price: model.free ? formatPrice(0) : wordsOf(model.price) }));
  const whole = priced.filter(({ takes }) => takes === "whole");
  const modes = [
    { name: "place", label: _("改一处"), kind: "place", models: priced.filter(({ takes }) => takes === "mask" || takes === "boxes") },
    { name: "expand", label: _("扩图"), kind: "edges", models: priced.filter(({ expands }) => expands) },
    { name: "vary", label: _("变一变"), kind: "press", models: other(vary) },
    ...[...new Set(whole.map(({ verb }) => verb))].map((verb) => ({ name: verb, label: verb, kind: "press", models: whole.filter((model) => model.verb === verb) })),
    { name: "enlarge", label: _("放大到 4K"), kind: "press", models: other(enlarge) },
  ];
  return modes.filter(({ models: offered }) => offered.length > 0);
}

/** The one model of a mode that has no choice; none when it is null. */
function other(offer) {
  return offer ? [{ id: offer.model, label: offer.label, price: wordsOf(offer.price) }] : [];
}

function wordsOf(price) {
  return formatPrice(price === null ? null : Number(price));
}

/** What is still missing, as a sentence; "" when it can be ordered. */
export function missingIn({ kind }, { isMarked, edges, words }) {
  if (kind === "place" && !isMarked) return _("先涂出或框出要改的地方");
  if (kind === "place" && !words) return _("写上这里要变成什么");
  if (kind === "edges" && !Object.values(edges).some((edge) => edge > 0)) return _("先拖动边框，或填上要加多少");
  return "";
}

/** The body of the order; `place` is {mask} or {region}. */
export function bodyOf({ name, kind }, model, { words, edges }, place) {
  if (name === "enlarge") return { kind: name };
  if (name === "vary") return { vary: true };
  return { model: model.id, ...(model.words && words && { prompt: words }), ...(kind === "place" && place), ...(kind === "edges" && { edges }) };
}
