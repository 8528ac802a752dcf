// How long pictures will take.

import { _, formatDuration } from "./i18n.js";

/** A range from what was measured, with how many are under way at once; "" while nothing was measured. model: see batch_model on the server. */
export function durationOf(pictures, { seconds, concurrency }) {
  if (!seconds || !concurrency || pictures === 0) return "";
  const turns = Math.ceil(pictures / concurrency);
  const [low, high] = [seconds.low, seconds.high].map((each) => formatDuration(turns * each));
  return _("约 {time}，同时 {n} 张", { time: rangeOf(low, high), n: concurrency });
}

// The unit once, where both have the same: 4–5 分钟.
function rangeOf(low, high) {
  if (low === high) return low;
  const [from, to] = [low, high].map((text) => /^(\d+)(\D+)$/.exec(text));
  return from && to && from[2] === to[2] ? `${from[1]}–${high}` : _("{low} 到 {high}", { low, high });
}
