// What a batch is called.

import { _, formatClock, formatDay } from "../core/i18n.js";

/** The name of a batch, or when it began. */
export function batchName({ name, created_at: at }) {
  const began = new Date(parseTime(at));
  return name || _("{day} {clock} 的批次", { day: formatDay(began), clock: formatClock(began) });
}

/** UTC as the API writes it -> milliseconds. */
export function parseTime(text) {
  return Date.parse(`${text.replace(" ", "T")}Z`);
}
