// How long pictures will take.

import { _, formatDuration } from "../core/i18n.js";

/** A range from what was measured, with how many are under way at once; "" while nothing was measured. model: see batch_model on the server. */
export function durationOf(pictures, { seconds, concurrency }) {
  if (!seconds || !concurrency || pictures === 0) return "";
  const turns = Math.ceil(pictures / concurrency);
  const [low, high] = [seconds.low, seconds.high].map((each) => formatDuration(turns * each));
  const values = { low, high, n: concurrency };
  return low === high ? _("约 {low}，同时 {n} 张", values) : _("约 {low} 到 {high}，同时 {n} 张", values);
}
