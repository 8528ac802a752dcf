// Amounts of money as people type them: ¥1,200.50, １２００.

/** The number of a typed amount, null for an empty text; what is no number is returned as it was typed. */
export function readAmount(text) {
  const typed = text.normalize("NFKC").replace(/[¥,\s]/gu, "");
  if (typed === "") return null;
  return Number.isFinite(Number(typed)) ? Number(typed) : typed;
}

/** An amount as it is typed: 500, 12.50. */
export function writeAmount(amount) {
  return Number.isInteger(amount) ? String(amount) : amount.toFixed(2);
}
