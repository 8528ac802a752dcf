// What may have been charged for records, and the question before they are made once more.

import { confirmRetryCost } from "../ui/confirm.js";

/** CNY that may have been charged for records; NaN when the price of one is not known. */
export function amountAtRisk(records) {
  return records.reduce((sum, { at_stake: amount }) => sum + (amount ?? NaN), 0);
}

/** The amount for confirmation dialogs, such as "0.44"; empty when unknown. */
export function formatAmount(amount) {
  return Number.isNaN(amount) ? "" : amount.toFixed(2);
}

/** Whether to retry these: what was charged, or may have been, only after a question. */
export function confirmRetry(records) {
  const charged = records.filter((record) => record.charged);
  const uncertain = records.filter(({ status, at_stake: amount, charged: isCharged }) => !isCharged && (status === "unknown" || amount !== 0));
  if (charged.length + uncertain.length === 0) return true;
  const sum = amountAtRisk(uncertain) + charged.reduce((costs, { cost }) => costs + (cost ?? NaN), 0);
  return confirmRetryCost({ count: records.length, sum: formatAmount(sum), isCharged: uncertain.length === 0 });
}
