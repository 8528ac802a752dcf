// The menu of a row, which opens at its ⋯ button.

import { pricePerPicture } from "./costs.js";
import { makeMenu } from "../ui/item_menu.js";
import { model } from "./models.js";
import { chooseReferences, describe, orderRow, page, store, table, urls } from "./open_table.js";
import { orders } from "./tools.js";
import { attempt, requestJson } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { goToCell } from "../grid/grid.js";
import { copyText, offerUndo, showError, showToast } from "../ui/toast.js";

const menu = page.querySelector("[data-menu]");
const hasHistory = Boolean(page.querySelector('[data-command="history"]')); // where there are several people
const { open } = makeMenu(menu, { focusBack: table.editor.focus, isAtEnd: true });

// What can be ordered of a row: what it lacks, and one more picture of one that has some; its pictures in the trash.
function orderItems(row) {
  const { action, pictures } = describe(row);
  const { trashed } = store.shownOf(row);
  const price = formatPrice(pricePerPicture(row, model));
  return [
    ...(action ? [{ label: action === _("生成") ? _("只生成这一行") : _("重试这一行"), run: () => orderRow(row) }] : []),
    ...(pictures.length > 0 ? [{ label: _("再来一张 · {sum}", { sum: price }), run: () => orders.open({ mode: "more", rows: [row] }) }] : []),
    ...(trashed.length > 0 ? [{ label: _("恢复回收站里的 {n} 张", { n: trashed.length }), run: () => restorePictures(trashed) }] : []),
  ];
}

// The roles that the recipe has and the product of the row not: their rows were removed.
function rolesOff(row) {
  const { product } = store.shownOf(row);
  const there = new Set(table.rows.all.map(store.shownOf).filter((shown) => shown.product === product).map(({ role }) => role));
  return product ? store.recipe.roles.map(({ role }) => role).filter((role) => !there.has(role)) : [];
}

async function bringBack(row, roles) {
  await attempt(async () => {
    await store.save();
    const { version } = await requestJson("POST", `${urls.tables}/${store.id}/recipe`, { back: [store.shownOf(row).product] });
    await store.refresh();
    table.rows.forgetHistory(); // a step that brings the same row back
    offerUndo(_("已恢复「{roles}」", { roles }), () => store.undoOnServer(version));
  }, showError);
}

// Where the clipboard is closed to pages (over http), it is still open to the keys.
async function copyPrompt(row) {
  if (await copyText(store.shownOf(row).sent.prompt ?? row.prompt)) return showToast(_("提示词已复制"));
  goToCell(table, row, "prompt");
  return showToast(_("浏览器没让网页复制；提示词那一格已选中，请按 Ctrl+C"));
}

function rowItems(row, index) {
  const { add, duplicate, moveTo, remove } = table.commands;
  const { role } = store.shownOf(row); // without its row it is off for the product, also when the recipe is applied again
  const off = rolesOff(row).join(_("、"));
  return [
    { label: _("选择参考图"), run: () => chooseReferences(row) },
    { label: _("在上面插入一行"), run: () => add(index) },
    { label: _("在下面插入一行"), run: () => add(index + 1) },
    { label: _("复制这一行"), run: () => duplicate([row]) },
    { label: _("复制提示词"), run: () => copyPrompt(row) },
    ...(index > 0 ? [{ label: _("上移"), run: () => moveTo([row], index - 1) }] : []),
    ...(index < table.rows.shown.length - 1 ? [{ label: _("下移"), run: () => moveTo([row], index + 2) }] : []),
    ...(hasHistory ? [{ label: _("修改记录"), run: async () => (await import("./history.js")).openHistory(row) }] : []),
    ...(off ? [{ label: _("恢复「{roles}」", { roles: off }), run: () => bringBack(row, off) }] : []),
    {
      label: role ? _("这个产品不要「{role}」", { role }) : _("删除这一行"), isDanger: true, run: () => {
        remove([row]);
        table.showUndo(_("已删除第 {number} 行", { number: row.number }));
      },
    },
  ];
}

table.element.addEventListener("scroll", () => { if (menu.matches(":popover-open")) menu.hidePopover(); }, { passive: true });
/** Open the menu of the row at this index. */
export function openRowMenu(index) {
  const button = table.view.cellAt(index, table.columns.length - 1)?.querySelector("[data-row-menu]");
  const row = table.rows.shown[index];
  if (button) open(button, [...orderItems(row), ...rowItems(row, index)]);
}

// Take pictures out of the trash.
async function restorePictures(ids) {
  await attempt(async () => {
    const { restored } = await requestJson("POST", `${urls.records}/restore`, { ids });
    showToast(_("已恢复 {n} 张", { n: restored }));
  }, showError);
  return store.refresh();
}
