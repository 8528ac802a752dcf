// The menu of a column: sort the rows by it, show only those with one of its values, or take an earlier prompt. It opens with the right button, Shift+F10 or
// a click on the name of the column.

import { makeMenu } from "../ui/item_menu.js";
import { _ } from "../core/i18n.js";
import { openList } from "../ui/open_list.js";

const MAX_SHOWN = 20; // characters of a value

/**
 * menu: the popover; filter: see row_filter.js. Sorting moves the rows of the table, as in a spreadsheet, in one step that can be undone;
 * they keep their numbers, by which they are put back in order. headers() -> those of the columns that are shown. Returns open(element that
 * was pressed, in the table).
 */
export function makeSortMenu(menu, table, filter, headers) {
  const { rows, selection, view } = table;
  const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });
  const { open: openAt } = makeMenu(menu, { focusBack: table.editor.focusUnlessTouch });

  const textOf = (row, { field, format }) => format(row[field] ?? "");

  function open(target) {
    const position = view.positionOf(target);
    if (position) selection.goTo(position.row, position.column);
    const label = target.closest(".table-label");
    const column = label ? table.columns[headers().indexOf(label)] : table.columns[selection.column];
    const items = column ? itemsOf(column, label ? null : rows.shown[selection.row]) : [];
    if (items.length === 0) return;
    openAt(label ?? view.cellAt(selection.row, selection.column), items);
  }

  // row: that of the cell, null for the header.
  function itemsOf(column, row) {
    const isNumber = column.name === "number";
    return [
      ...((column.field || isNumber) && !rows.isFrozen ? [
        !isNumber && { label: _("升序排列"), run: () => sort(column, 1) },
        !isNumber && { label: _("降序排列"), run: () => sort(column, -1) },
        { label: _("按序号排列"), run: () => sort(null, 1) },
      ] : []),
      row && column.field === "prompt" && table.canEdit(row, column) && { label: _("以前的提示词…"), run: () => takeEarlier(row) },
      row && column.field && { label: _("只看「{value}」", { value: nameOf(textOf(row, column)) }), run: () => showOnly(column, textOf(row, column)) },
      filter.which && { label: _("显示全部行"), run: filter.clear },
    ].filter(Boolean);
  }

  async function takeEarlier(row) {
    const prompt = await openList("prompts", "");
    if (prompt !== null) rows.set(row, "prompt", prompt);
  }

  // Rows without a value stand last, as in a spreadsheet.
  function sort(column, by) {
    const active = rows.shown[selection.row];
    const compare = (one, other) => (one && other ? by * collator.compare(one, other) : Number(!one) - Number(!other));
    const keys = new Map(rows.all.map((row) => [row, column ? textOf(row, column) : row.number]));
    const sorted = [...rows.all].sort((one, other) => (column ? compare(keys.get(one), keys.get(other)) : keys.get(one) - keys.get(other)));
    const isMoved = sorted.some((row, index) => rows.at(index) !== row);
    if (isMoved) {
      rows.step(_("排序"), () => {
        rows.remove(rows.all);
        rows.insert(0, sorted);
      });
      selection.goTo(Math.max(rows.shown.indexOf(active), 0), selection.column);
    }
    if (isMoved) table.showUndo(column ? _("已按{label}排列", { label: column.label }) : _("已按序号排列"));
  }

  function showOnly(column, value) {
    filter.show(_("{label}是「{value}」的", { label: column.label, value: nameOf(value) }), (row) => textOf(row, column) === value);
  }

  return open;
}

function nameOf(text) {
  if (!text) return _("空");
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
