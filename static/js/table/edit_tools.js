// What is loaded at the first press of one of these.

import { openBulkEdit } from "./bulk_edit.js";
import { makeColumnMenu } from "./column_menu.js";
import { makeFindBar } from "./find_bar.js";
import { makeHistory } from "./history.js";
import { makeRowMenu } from "./row_menu.js";
import { makeSortMenu } from "./sort_menu.js";
import { makeTableCommands } from "./table_commands.js";
import { makeTableRecipes } from "../recipes/of_table.js";
import { makeTableMenu } from "../tables/menu.js";

/** batch: see pages/batch.js. Returns them by name. */
export function makeTools(batch) {
  const { page, table, store, dialog, filter, headers, columns, widths } = batch;
  const openHistory = makeHistory(batch);
  return {
    openHistory,
    ...makeTableCommands(batch),
    find: makeFindBar(page.querySelector("[data-find]"), table),
    openColumns: makeColumnMenu(page.querySelector("[data-column-menu]"), columns, widths),
    openRowMenu: makeRowMenu(page.querySelector("[data-menu]"), batch, openHistory),
    openSortMenu: makeSortMenu(page.querySelector("[data-sort-menu]"), table, filter, headers),
    openTables: makeTableMenu(page.querySelector("[data-table-menu]"), { url: page.dataset.tablesMenuUrl, openId: () => store.id }).open,
    openRecipes: makeTableRecipes(batch),
    bulkEdit: () => openBulkEdit(dialog("bulk-edit"), table),
  };
}
