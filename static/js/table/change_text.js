// What changed in a cell, in one line.

import { _ } from "../core/i18n.js";

const CONTEXT = 8; // characters shown around what changed
const MAX_SHOWN = 60; // of what changed

/** 一只猫 → 一只橘猫; of long texts only what differs, with a little of what stands around it. A list is its names. */
export function changeText(one, other) {
  const [before, after] = [one, other].map((value) => (Array.isArray(value) ? value.join(_("；")) : String(value ?? "")));
  let start = 0;
  while (start < Math.min(before.length, after.length) && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < Math.min(before.length, after.length) - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const shorten = (text) => {
    const from = start > 2 * CONTEXT ? start - CONTEXT : 0;
    const to = text.length - (end > 2 * CONTEXT ? end - CONTEXT : 0);
    const shown = text.slice(from, Math.min(to, from + MAX_SHOWN));
    return (from > 0 ? "…" : "") + shown + (from + shown.length < text.length ? "…" : "") || _("（空）");
  };
  return `${shorten(before)} → ${shorten(after)}`;
}
