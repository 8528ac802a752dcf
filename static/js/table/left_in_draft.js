// The page of a batch that was a part of the draft says that other rows are still there.

import { ownFields, ownNames } from "./own_columns.js";
import { isChanged } from "./row.js";
import { _ } from "../core/i18n.js";
import { loadItem, saveItem } from "../core/storage.js";

const KEY = "batch.part"; // the id of the last batch that was a part

/** line: the element below the table; batch: see pages/batch.js. Returns {keep(id): this batch is a part, isPart(id), show(draft)}. */
export function makeLeftInDraft(line, { table }) {
  return {
    keep: (id) => saveItem(KEY, id),
    isPart: (id) => loadItem(KEY) === id,
    show({ rows, prefix = "", suffix = "" }) {
      const ofDraft = { prefix, suffix, names: ownNames(ownFields(rows)) }; // the table shows the batch, which has others
      const isOpen = (row) => row.asked === null || isChanged(row, table.allColumns, ofDraft);
      const n = rows.filter((row) => table.validation.isFilled(row) && isOpen(row)).length;
      line.hidden = n === 0;
      line.firstElementChild.textContent = _("另外 {n} 行还在草稿里", { n });
    },
  };
}
