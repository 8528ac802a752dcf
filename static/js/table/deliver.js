// 交付 and 给客户看 of the open table.

import { goToRow, page, store, table } from "./open_table.js";
import { ownNames } from "./own_columns.js";
import { _ } from "../core/i18n.js";
import { lazy, loadPart } from "../core/lazy.js";
import { openDelivery } from "../delivery/dialog.js";

const loadRounds = lazy(async () => {
  const dialog = await loadPart('[data-dialog="rounds"]', page.dataset.roundsUrl);
  return new (await import("../rounds/dialog.js")).Rounds(dialog);
});

/** These pictures, else the rows that are picked, else all. */
export const deliver = (records = null) => openDelivery(whatOf(records));
export const openRounds = async () => (await loadRounds()).open(await whatOf());

async function whatOf(records = null) {
  const id = await store.ensureSaved();
  const picked = [...table.selection.picked];
  const name = store.name || _("没有名字的表格");
  if (records) return { records, own: ownNames(), title: _("选中的 {n} 张", { n: records.length }) };
  const title = picked.length > 0 ? _("{name} · 选中的 {n} 行", { name, n: picked.length }) : name;
  return { table: id, goToRow, rows: picked.length > 0 ? picked.map((row) => row.id) : null, own: ownNames(), title };
}
