// Which columns the table has and shows: the user's own ones after 文件名, hidden until they are wanted, those that the
// model may not take, and those of OPTIONAL, which are shown while a row has a value. What no row of a batch that was
// started has is not shown either.

import { OPTIONAL } from "./models.js";
import { fieldOfOwn, ownNames } from "./own_columns.js";
import { _ } from "../core/i18n.js";
import { loadItem, saveItem } from "../core/storage.js";
import { setColumns } from "../grid/column_set.js";
import { textColumn } from "../grid/columns.js";

const MAX_LENGTH = 2000; // of a cell, as app/domain/requests.py has it
const AFTER = "filename";
const MAY_BE_EMPTY = ["negative_prompt", "sample_images", "filename"];
const MAX_REMEMBERED = 200; // columns that were shown or hidden by hand

/**
 * button: 列, which says how many own columns there are; storageKey: where the choice is remembered; onShown() follows a change of the columns. Returns {update(): for
 * after other own columns came, optional(): the columns that can be hidden, isShown(column), show(columns, isShown)}.
 */
export function makeColumnChoice(table, button, storageKey, onShown) {
  const base = [...table.allColumns];
  const columnOf = new Map(); // own field -> its column
  const chosen = new Map(Object.entries(loadItem(storageKey) ?? {})); // column name -> whether it is shown

  const hasValues = ({ field }) => table.rows.all.some((row) => row[field].length > 0);
  const isUsed = (column) => OPTIONAL.includes(column.field) && hasValues(column);
  const isOptional = ({ name, isOptional: mayBeRefused }) => mayBeRefused || MAY_BE_EMPTY.includes(name);

  const isTaken = ({ hidden, refuses }) => !hidden || table.rows.all.some((row) => row.model && refuses && !refuses(row));

  function isShown(column) {
    if (column.like) return isUsed(column) || (chosen.get(column.name) ?? Boolean(column.isWanted));
    if (!isOptional(column)) return true;
    return chosen.get(column.name) ?? !column.hidden;
  }

  function update() {
    const own = ownNames().map(ownColumn);
    const at = base.findLastIndex(({ name, like }) => name === AFTER || like) + 1;
    setColumns(table, [...base.slice(0, at), ...own, ...base.slice(at)], isShown);
    onShown();
    button.textContent = own.length > 0 ? _("列（{n}）▾", { n: own.length }) : _("列 ▾");
  }

  function ownColumn(label) {
    if (!columnOf.has(label)) columnOf.set(label, { ...textColumn({ name: fieldOfOwn(label), label, limit: MAX_LENGTH }), like: AFTER });
    return columnOf.get(label);
  }

  function show(columns, value) {
    for (const { name } of columns) {
      chosen.delete(name);
      chosen.set(name, value);
    }
    saveItem(storageKey, Object.fromEntries([...chosen].slice(-MAX_REMEMBERED)));
    update();
  }

  update();
  return {
    update, isShown, show,
    optional: () => table.allColumns.filter((column) => (column.like ? !isUsed(column) && isTaken(column) : isOptional(column))),
  };
}
