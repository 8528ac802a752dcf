// Order what is missing of rows, after a question with the price.

import { sumOf } from "./footer.js";
import { attempt } from "../core/attempt.js";
import { _, formatSum } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { goToNextProblem } from "../grid/grid.js";
import { confirmCost } from "../ui/confirm.js";

/** rows: those of the table, null for all. */
export async function orderRows({ table, model, store, urls, footer, head }, rows) {
  table.editor.commit();
  const { rows: filled, toMake, cost, problems } = sumOf(rows ?? table.rows.all, { model, validation: table.validation, store });
  if (filled === 0) return footer.showProblem(_("表格还是空的，先写一行提示词或导入 Excel"));
  if (problems > 0 && !rows) return goToNextProblem(table);
  const isSure = await confirmCost({ title: _("开始批量生成"), text: formatSum(cost), yes: _("生成 {n} 张 · {sum}", { n: toMake, sum: formatSum(cost) }) });
  if (!isSure) return undefined;
  return attempt(async () => {
    const id = await store.ensureSaved();
    await postOnce(`${urls.tables}/${id}/run`, rows ? { rows: rows.map((row) => row.id) } : {});
    document.dispatchEvent(new Event("poll-now"));
  }, head.tell);
}
