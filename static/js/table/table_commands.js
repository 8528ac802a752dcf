// What is done with the open table as a whole.

import { model } from "./models.js";
import { store, table, urls } from "./open_table.js";
import { requestOf } from "./row.js";
import { apply, create } from "../core/dom.js";
import { requestFile } from "../core/files.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { showError } from "../ui/toast.js";

const SLOW_EXPORT = 300; // ms until the button says that it is under way
const DOWNLOAD_LIFETIME = 60_000; // ms of the address of a download

export function rename() {
  const form = document.querySelector('[data-dialog="rename"]');
  const field = form.querySelector("[data-rename-name]");
  field.value = store.name;
  form.querySelector("[data-rename-form]").onsubmit = () => attempt(() => store.put({ name: field.value }), showError);
  form.showModal();
  field.select();
}

export const copyTable = () => attempt(async () => {
  const id = await store.ensureSaved();
  const { table: copy } = await postOnce(`${urls.tables}/${id}/copy`);
  location.assign(urls.tablePage(copy.id));
}, showError);

export const deleteTable = () => attempt(async () => {
  const id = await store.ensureSaved();
  await requestJson("DELETE", `${urls.tables}/${id}`);
  location.assign(urls.tablePage(id)); // which says so, and offers to bring it back
}, showError);

/** 💾 Have the rows written, and hand the workbook to the browser's downloads. */
export async function exportTable(button) {
  if (table.rows.length === 0) return table.showProblem(_("表格还是空的，没有可以导出的"));
  if (button.ariaDisabled) return undefined;
  const label = button.textContent;
  const timer = setTimeout(() => apply(button, { textContent: _("💾 正在导出…") }), SLOW_EXPORT);
  button.style.minWidth = `${button.offsetWidth}px`;
  apply(button, { ariaDisabled: "true" });
  await attempt(async () => {
    const { blob, filename } = await requestFile("POST", urls.export, { rows: table.rows.all.map(requestOf), model: model.id });
    const link = create("a", { href: URL.createObjectURL(blob), download: filename || _("批量生成.xlsx") });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_LIFETIME);
  }, showError);
  clearTimeout(timer);
  return apply(button, { ariaDisabled: null, textContent: label });
}
