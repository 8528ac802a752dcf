// 下载我的表（带结果）: the imported workbook with the results in it.

import { _ } from "../core/i18n.js";
import { showToast } from "../ui/toast.js";

/** link downloads the workbook {filename, notes} of a batch; without one it is hidden. What it cannot carry is said in its title and at a click. */
export function showOwnResults(link, resultsUrl, workbook) {
  link.hidden = !workbook;
  if (!workbook) return;
  const { filename, notes = [] } = workbook;
  link.href = `${resultsUrl}?form=own`;
  link.title = [_("下载「{filename}」，右边加上结果", { filename }), ...notes].join("\n");
  link.onclick = () => { if (notes.length > 0) showToast(notes.join(_("；"))); };
}
