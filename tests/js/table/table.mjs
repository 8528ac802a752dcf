// The table of 批量生成 with its own columns and rows.

import { DESCRIBED } from "./page.mjs";
import { makeTable } from "../grid/table.mjs";
import { columnOfHeader, makeColumns } from "../../../static/js/table/columns.js";
import { model } from "../../../static/js/table/models.js";
import { trackColumns } from "../../../static/js/table/own_columns.js";
import { copyRow, makeRow } from "../../../static/js/table/row.js";

export { model };

/** The rows as the API has them; onColumns() is called when other own columns come or go. */
export function makeBatchTable(rows = [], { onColumns = () => {}, ...options } = {}) {
  const table = makeTable([], {
    columns: makeColumns(DESCRIBED.zh), contentFields: model.content_fields, maxRows: 50,
    makeRow: () => makeRow(), copyRow, isShown: ({ hidden }) => !hidden,
    columnOfHeader: (text) => columnOfHeader(table.allColumns, text),
    ...options,
  });
  trackColumns(table.rows, onColumns);
  table.rows.reset(rows.map(makeRow));
  return table;
}
