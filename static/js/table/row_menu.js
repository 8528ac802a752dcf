// The menu of a row, which opens at its ⋯ button.

import { pricePerPicture } from "./costs.js";
import { _, formatPrice } from "../core/i18n.js";
import { goToCell } from "../grid/grid.js";
import { copyText, showToast } from "../ui/toast.js";

/** menu: the popover; batch: see pages/batch.js. Returns open(row index). */
export function makeRowMenu(menu, batch) {
  const { table, store, chooseReferences, runRow } = batch;

  function menuItems(index) {
    const row = table.rows.shown[index];
    return [...orderItems(row), ...rowItems(row, index)];
  }

  // What can be ordered of a row: what it lacks, and one more picture of one that has some.
  function orderItems(row) {
    const { action, pictures } = batch.stateOf(row);
    const price = formatPrice(pricePerPicture(row, batch.model));
    return [
      ...(action ? [{ label: action === _("生成") ? _("只生成这一行") : _("重试这一行"), run: () => runRow(row) }] : []),
      ...(pictures.length > 0 ? [{ label: _("再来一张 · {sum}", { sum: price }), run: () => batch.orders.open({ mode: "more", rows: [row] }) }] : []),
    ];
  }

  // Where the clipboard is closed to pages (over http), it is still open to the keys.
  async function copyPrompt(row) {
    if (await copyText(store.shownOf(row).sent.prompt ?? row.prompt)) return showToast(_("提示词已复制"));
    goToCell(table, row, "prompt");
    return showToast(_("浏览器没让网页复制；提示词那一格已选中，请按 Ctrl+C"));
  }

  function rowItems(row, index) {
    const { add, duplicate, moveTo, remove } = table.commands;
    return [
      { label: _("选择参考图"), run: () => chooseReferences(row) },
      { label: _("在上面插入一行"), run: () => add(index) },
      { label: _("在下面插入一行"), run: () => add(index + 1) },
      { label: _("复制这一行"), run: () => duplicate([row]) },
      { label: _("复制提示词"), run: () => copyPrompt(row) },
      ...(index > 0 ? [{ label: _("上移"), run: () => moveTo([row], index - 1) }] : []),
      ...(index < table.rows.shown.length - 1 ? [{ label: _("下移"), run: () => moveTo([row], index + 2) }] : []),
      {
        label: _("删除这一行"), isDanger: true, run: () => {
          remove([row]);
          table.showUndo(_("已删除第 {number} 行", { number: row.number }));
        },
      },
    ];
  }

  return makeMenu(menu, table, menuItems);
}

// menuItems(index) -> [{label, run, isDanger?}]. Returns open(index).
function makeMenu(menu, table, menuItems) {
  function open(index) {
    const button = table.view.cellAt(index, table.columns.length - 1)?.querySelector("[data-row-menu]");
    if (!button) return;
    menu.replaceChildren(...menuItems(index).map(createItem));
    menu.showPopover();
    button.setAttribute("aria-expanded", "true");
    const { top, bottom, right } = button.getBoundingClientRect();
    const fitsBelow = bottom + menu.offsetHeight + 8 < innerHeight;
    menu.style.top = `${fitsBelow ? bottom + 4 : Math.max(top - menu.offsetHeight - 4, 8)}px`;
    menu.style.left = `${Math.max(8, right - menu.offsetWidth)}px`;
    menu.firstElementChild?.focus();
  }

  function createItem({ label, run, isDanger = false }) {
    const item = document.createElement("button");
    item.type = "button";
    item.className = isDanger ? "menu-item is-danger" : "menu-item";
    item.setAttribute("role", "menuitem");
    item.textContent = label;
    item.addEventListener("click", () => {
      close();
      run();
    });
    return item;
  }

  function close() {
    menu.hidePopover();
    table.editor.focus();
  }

  menu.addEventListener("toggle", ({ newState }) => {
    if (newState === "closed") for (const button of table.body.querySelectorAll("[data-row-menu]")) button.setAttribute("aria-expanded", "false");
  });
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const isClosing = event.key === "Tab" || event.key === "Escape";
    if (!step && !isClosing) return;
    event.preventDefault();
    if (isClosing) return void close();
    const items = [...menu.children];
    items.at((items.indexOf(document.activeElement) + step) % items.length)?.focus();
  });
  table.element.addEventListener("scroll", () => { if (menu.matches(":popover-open")) menu.hidePopover(); }, { passive: true });
  return open;
}
