// What one row can be asked for: its menu, its own generation, its pictures large.

import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { goToCell } from "../grid/grid.js";
import { copyText, showToast } from "../ui/messages.js";

const gallery = lazy(() => import("./gallery.js"));

/** batch as in desk.js. Returns {activate(column, index)}: Enter or F2 on a cell that is not text. */
export function useRowJobs(batch, { singles, references }) {
  const { page, table } = batch;
  const menu = useRowMenu(document.querySelector("[data-menu]"), table, itemsOf);
  table.body.addEventListener("click", onCellClick);

  function onCellClick(event) {
    const cell = event.target.closest("[data-column]");
    if (!cell) return;
    const row = table.rows.at(table.view.placeOfElement(cell).row);
    const picture = event.target.closest("[data-picture]");
    if (picture && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      openPicture(Number(picture.dataset.picture));
    }
    if (event.target.closest("[data-run-row]")) runRow(row);
  }

  function runRow(row) {
    return table.readOnly ? batch.run?.retryRow(row) : singles.run(row);
  }

  async function openPicture(id) {
    const recordsOf = batch.run ? batch.run.book.of : singles.recordsOf;
    const kept = table.rows.all.flatMap(recordsOf).filter(({ status, url: path }) => status === "success" && path);
    const { openGallery } = await gallery();
    openGallery(page.querySelector("[data-gallery]"), kept, id);
  }

  function activate(column, index) {
    const row = table.rows.at(index);
    if (!row) return;
    if (column.kind === "references") references.choose(row);
    if (column.kind === "actions") menu.open(index);
    if (column.kind === "status") {
      const [picture] = table.stateOf(row)?.pictures ?? [];
      if (picture) openPicture(picture.id);
      else if (table.stateOf(row)?.action === _("重试")) runRow(row);
    }
  }

  function itemsOf(index) {
    const row = table.rows.at(index);
    return table.readOnly ? itemsOfRun(row) : itemsOfDraft(row, index);
  }

  function itemsOfRun(row) {
    const again = table.stateOf(row)?.action === _("重试") ? [{ label: _("重试这一行"), run: () => runRow(row) }] : [];
    return [...again, { label: _("复制提示词"), run: () => copyPrompt(row) }];
  }

  // Where the clipboard is closed to pages (over http), it is still open to the keys.
  async function copyPrompt(row) {
    if (await copyText(row.prompt)) return showToast(_("提示词已复制"));
    goToCell(table, row, "prompt");
    return showToast(_("浏览器没让网页复制；提示词那一格已选中，请按 Ctrl+C"));
  }

  function itemsOfDraft(row, index) {
    const { actions } = table;
    return [
      { label: _("只生成这一行"), run: () => runRow(row) },
      { label: _("选择参考图"), run: () => references.choose(row) },
      { label: _("在上面插入一行"), run: () => actions.add(1, index) },
      { label: _("在下面插入一行"), run: () => actions.add(1, index + 1) },
      { label: _("复制这一行"), run: () => actions.duplicate([row]) },
      ...(index > 0 ? [{ label: _("上移"), run: () => actions.moveTo([row], index - 1) }] : []),
      ...(index < table.rows.length - 1 ? [{ label: _("下移"), run: () => actions.moveTo([row], index + 2) }] : []),
      {
        label: _("删除这一行"), danger: true, run: () => {
          actions.remove([row]);
          table.tell(_("已删除第 {number} 行", { number: row.number }));
        },
      },
    ];
  }

  return { activate };
}

// The menu of one row: everything that can be done to it, also with a finger.

/** items(index) -> [{label, run, danger?}]; the menu opens at the row's ⋯ button. */
function useRowMenu(menu, table, items) {
  let opener = null;

  table.body.addEventListener("click", (event) => {
    const button = event.target.closest("[data-row-menu]");
    if (button) open(button);
  });

  function open(button) {
    opener = button;
    const { row } = table.view.placeOfElement(button.closest("[data-column]"));
    menu.replaceChildren(...items(row).map(makeItem));
    menu.showPopover();
    button.setAttribute("aria-expanded", "true");
    const at = button.getBoundingClientRect();
    const below = at.bottom + menu.offsetHeight + 8 < innerHeight;
    menu.style.top = `${below ? at.bottom + 4 : Math.max(at.top - menu.offsetHeight - 4, 8)}px`;
    menu.style.left = `${Math.max(8, at.right - menu.offsetWidth)}px`;
    menu.firstElementChild?.focus();
  }

  function makeItem({ label, run, danger = false }) {
    const item = document.createElement("button");
    item.type = "button";
    item.className = danger ? "menu-item is-danger" : "menu-item";
    item.setAttribute("role", "menuitem");
    item.textContent = label;
    item.addEventListener("click", () => {
      menu.hidePopover();
      table.editor.focus();
      run();
    });
    return item;
  }

  menu.addEventListener("toggle", ({ newState }) => {
    if (newState === "closed") for (const button of table.body.querySelectorAll("[data-row-menu]")) button.setAttribute("aria-expanded", "false");
  });
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Tab" || event.key === "Escape") {
      event.preventDefault();
      menu.hidePopover();
      table.editor.focus();
    }
    if (!step) return;
    event.preventDefault();
    const all = [...menu.children];
    all.at((all.indexOf(document.activeElement) + step) % all.length)?.focus();
  });
  table.element.addEventListener("scroll", () => { if (menu.matches(":popover-open")) menu.hidePopover(); }, { passive: true });
  return { open: (index) => open(table.view.cellAt(index, table.columns.length - 1)?.querySelector("[data-row-menu]") ?? opener) };
}
