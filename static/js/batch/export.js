// 💾 The table as a workbook.

import { requestOf } from "./post_rows.js";
import { requestFile } from "../core/http.js";
import { _ } from "../core/i18n.js";

/** Send rows to be written and hand the workbook to the browser's downloads. */
export async function exportRows(url, rows) {
  const { blob, filename } = await requestFile("POST", url, { rows: rows.map(requestOf) });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = filename || _("批量生成.xlsx");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
