// 生成 and 再来一张 of one row of the draft, a batch of that row alone.

import { confirmRetry } from "./charges.js";
import { pricePerPicture, retryableOf } from "./costs.js";
import { refusedFields } from "./columns.js";
import { submitRows } from "./submission.js";
import { _, formatPrice } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { goToCell, markProblems } from "../grid/grid.js";
import { confirmCost } from "../ui/confirm.js";

/** batch: see pages/batch.js. Returns {orderRow(row), orderOneMore(row)}; what failed is shown as a problem of the table. */
export function makeRowOrders({ table, model, urls, check, draft, draftRows }) {
  /** Order what is missing of a row, after asking the server what that is. */
  async function orderRow(row) {
    if (hasProblem(row)) return undefined;
    if (draftRows.knownStateOf(row)?.canRetry) return retry(row);
    const checked = (await check.ask([row])).get(row);
    if (showProblems(row, checked.problems)) return undefined;
    if (checked.missing === 0) return tellBought(checked);
    const { missing: count, price } = checked;
    return await confirmPrice({ title: _("只生成这一行"), count, price: price ?? NaN }) && submit(row);
  }

  function hasProblem(row) {
    const [field] = Object.keys(table.validation.problemsOf(row));
    if (!field && row.prompt) return false;
    goToCell(table, row, field ?? "prompt");
    if (!field) table.showProblem(_("先写提示词"));
    return true;
  }

  function showProblems(row, problems) {
    if (problems.length === 0) return false;
    markProblems(table, problems.map((problem) => ({ row, ...problem })));
    goToCell(table, row, problems[0].field);
    table.showProblem(problems[0].error);
    return true;
  }

  function tellBought(checked) {
    table.showMessage(boughtMessage(checked));
    check.now();
  }

  /** One more picture of a row, whatever it has already. */
  async function orderOneMore(row) {
    if (hasProblem(row)) return;
    const hasSeed = row.seed && !refusedFields(table.allColumns, row).includes("seed");
    const text = hasSeed ? _("这一行写了种子，同一个种子做出来还是同样的图。想要不同的，请先改种子。") : "";
    const isConfirmed = await confirmPrice({ title: _("再来一张"), count: 1, price: pricePerPicture(row, model), text });
    if (isConfirmed) await submit(row, { again: new Set([row]), change: { num_images: "1" } });
  }

  function confirmPrice({ title, count, price, text = "" }) {
    if (price === 0 && !text) return true;
    const costs = _("{count} 张，预计 {sum}。", { count, sum: formatPrice(price) });
    return confirmCost({ title, text: costs + text, yes: _("生成 {n} 张", { n: count }) });
  }

  async function submit(row, asked = {}) {
    const { id } = await submitRows(urls.batches, table, [row], { about: `row ${table.rows.indexOf(row)}`, ...asked });
    if (!id) table.showMessage(_("这一行刚才已经做过了，没有再下单"));
    draft.saveSoon();
    draftRows.follow(row);
    check.now();
    document.dispatchEvent(new Event("poll-now"));
  }

  async function retry(row) {
    const records = retryableOf(draftRows.recordsOf(row));
    if (!await confirmRetry(records)) return;
    await postOnce(`${urls.batches}/${row.run}/retry`, { records: records.map(({ id }) => id) });
    draftRows.follow(row);
  }

  return { orderRow, orderOneMore };
}

function boughtMessage({ under_way: open, unknown, made }) {
  if (unknown.length > 0) return _("这一行结果未知，可能已计费，没有再下单；请先到「用量」处理");
  if (open.length > 0) return _("这一行正在生成，没有再下单");
  return made.length > 0 ? _("这一行已经有图了，没有再下单；还要一张，请用「⋯」里的「再来一张」")
    : _("这一行失败了但已计费，没有再下单；要再做，请用「⋯」里的「再来一张」");
}
