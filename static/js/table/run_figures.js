// What is said of a run beside where its table stands: what it waits for, and its money. No page.

import { addUp } from "./costs.js";
import { _, formatPrice } from "../core/i18n.js";

/** Who is before it, and money, in words. */
export function figuresOf(batch) {
  const { counts, cost, at_stake: atRisk, estimated_cost: expected } = batch;
  const left = counts.queued + counts.running;
  const parts = [];
  if (batch.ahead > 0) parts.push(_("前面还有 {n} 张", { n: batch.ahead }));
  if (cost === null) parts.push(costWords(batch));
  else if (cost === 0 && expected === null) parts.push(_("价格未设"));
  else if (cost > 0 || expected > 0) parts.push(left > 0 ? _("已花 ¥{cost}，预计 {sum}", { cost: cost.toFixed(2), sum: formatPrice(expected) }) : _("花了 ¥{cost}", { cost: cost.toFixed(2) }));
  if (atRisk > 0) parts.push(_("另有 ¥{stake} 待确认", { stake: atRisk.toFixed(2) }));
  return parts;
}

/** What a batch cost so far; only a part of it where the price of some models is not known. */
function costWords({ cost, models }) {
  const { price } = addUp(models.map(({ total, cost: ofModel }) => ({ count: total, price: ofModel })));
  return cost === null && price > 0 ? _("{sum}，另有图片价格未设", { sum: formatPrice(price) }) : formatPrice(cost);
}
