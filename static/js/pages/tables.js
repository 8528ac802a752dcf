// 批量生成 without an open table: wiring.

import { _ } from "../core/i18n.js";
import { receiveFiles } from "../table/file_input.js";
import { makeImport } from "../table/import.js";
import { sendLeft } from "../table/left.js";
import { TableList, bindTableActions } from "../tables/list.js";
import { bindDownloads } from "../ui/download_links.js";
import { showToast } from "../ui/toast.js";
import { keepReport } from "../table/import_reports.js";

const page = document.querySelector("[data-tables-page]");
const { pageUrl, tablesUrl, importUrl } = page.dataset;
const takeFile = makeImport({
  urls: { import: importUrl, tables: tablesUrl },
  done(report) {
    keepReport(report);
    location.assign(`${pageUrl}?table=${encodeURIComponent(report.table)}`);
  },
});

function takeFiles([file]) {
  if (!file || file.type.startsWith("image/")) return showToast(_("先新建或打开一个表格，再把图片放进去"));
  return takeFile(file);
}

// What pages left behind before it was sent, and the draft of an earlier version, are tables of the list.
async function takeUpLeft() {
  const made = await sendLeft({ tables: tablesUrl });
  if (made.length > 0) location.reload();
}

bindTableActions(page, new TableList(page));
page.querySelector("[data-tables-import]").addEventListener("click", () => page.querySelector("[data-file]").click());
receiveFiles({ input: page.querySelector("[data-file]"), overlay: page.querySelector("[data-drop]"), takeFiles });
takeUpLeft().catch(() => {}); // kept until the server can be reached
bindDownloads(page);
page.dataset.ready = "";
