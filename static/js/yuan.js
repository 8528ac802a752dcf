// Money in words.

import { _ } from "./words.js";

/** CNY as people read it; null or NaN is a price that nobody knows. */
export function yuan(amount) {
  if (Number.isNaN(amount ?? NaN)) return _("价格未设");
  return amount > 0 ? `¥${Number(amount.toFixed(4)).toFixed(2)}` : _("免费");
}
