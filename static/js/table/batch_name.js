// What a batch is called.

import { _, formatClock, formatDay } from "../core/i18n.js";

/** The name of a batch, or when it began: the second of a minute has a (2). */
export function batchName({ name, created_at: at, number_in_minute: number }) {
  const began = new Date(parseTime(at));
  if (name) return name;
  const label = _("{day} {clock} 的批次", { day: formatDay(began), clock: formatClock(began) });
  return number > 1 ? `${label} (${number})` : label;
}

/** UTC as the API writes it -> milliseconds. */
export function parseTime(text) {
  return Date.parse(`${text.replace(" ", "T")}Z`);
}
