// 💾 The table becomes a workbook.

import { model } from "./models.js";
import { requestOf } from "./row.js";
import { attempt } from "../core/attempt.js";
import { requestFile } from "../core/files.js";
import { _ } from "../core/i18n.js";

const SLOW_EXPORT = 300; // ms until the button says that it is under way
const DOWNLOAD_LIFETIME = 60_000; // ms of the address of a download

/** 💾 Have the rows written and hand the workbook to the browser's downloads; onFailure(message) otherwise. */
export async function exportTable(button, { table, urls }, onFailure) {
  if (table.rows.length === 0) return table.showProblem(_("表格还是空的，没有可以导出的"));
  if (button.hasAttribute("aria-disabled")) return undefined;
  const label = button.textContent;
  const timer = setTimeout(() => { button.textContent = _("💾 正在导出…"); }, SLOW_EXPORT);
  button.style.minWidth = `${button.offsetWidth}px`;
  button.setAttribute("aria-disabled", "true");
  await attempt(async () => {
    download(await requestFile("POST", urls.export, { rows: table.rows.all.map(requestOf), model: model.id }));
  }, onFailure);
  clearTimeout(timer);
  button.removeAttribute("aria-disabled");
  button.textContent = label;
  return undefined;
}

function download({ blob, filename }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = filename || _("批量生成.xlsx");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_LIFETIME);
}
