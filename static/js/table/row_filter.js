// Only some of the rows are shown: a line above the table says which, and shows all again.

import { show } from "../core/dom.js";
import { _ } from "../core/i18n.js";
import { soon } from "../core/timing.js";
import { filterRows } from "../grid/grid.js";

const DELAY = 60; // ms

/**
 * line: the element above the table. Rows keep their numbers, and those that are added while a filter is set are shown.
 *
 * Returns {show(which, matches): only the rows for which matches(row) is true now, `which` says so (「有问题的」); refresh(): look again, all when
 * none matches;
 * clear(); look(): whether rows match may have changed; which: of the filter that is set, or ""}. onChange() is called after each.
 */
export function makeRowFilter(line, table, onChange = () => {}) {
  const { rows } = table;
  const renderSoon = soon(render, DELAY);
  let filter = null; // {which, matches}

  function set(wanted) {
    filter = wanted;
    filterRows(table, wanted?.matches ?? null);
    render();
    onChange();
  }

  // A new list of rows is shown whole.
  function follow() {
    if (!filter) return;
    if (!rows.isFiltered) set(null);
    else renderSoon();
  }

  function render() {
    line.hidden = !filter;
    if (!filter) return;
    const shown = new Set(rows.shown);
    show(line, {
      "[data-filter-text]": _("只显示{which}：{n} 行，共 {total} 行", { which: filter.which, n: shown.size, total: rows.length }),
      "[data-filter-again]": { hidden: rows.all.every((row) => filter.matches(row) === shown.has(row)) },
    });
  }

  function focusTable(change) {
    change();
    table.editor.focusUnlessTouch();
  }

  const refresh = () => { if (filter) set(rows.all.some(filter.matches) ? filter : null); };
  const clear = () => { if (filter) set(null); };
  line.querySelector("[data-filter-again]").addEventListener("click", () => focusTable(refresh));
  line.querySelector("[data-filter-all]").addEventListener("click", () => focusTable(clear));
  rows.watch(follow);
  rows.watchShown(follow);
  return { show: (which, matches) => set({ which, matches }), refresh, clear, look: follow, get which() { return filter?.which ?? ""; } };
}
