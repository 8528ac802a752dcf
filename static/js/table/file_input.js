// Workbooks, pictures and blocks of cells that come in: files chosen, dropped anywhere on the page or pasted, or a
// block pasted while nothing on the page has the focus.

import { apply } from "../core/dom.js";
import { onFilesDropped } from "../core/file_drop.js";
import { _ } from "../core/i18n.js";

/** input: the <input type="file">; overlay: shown while files are dragged over the page. takeFiles(files, folders) gets them, also those that are pasted. */
export function receiveFiles({ input, overlay, takeFiles }) {
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) takeFiles([file]);
  });
  onFilesDropped(document, {
    takesFolders: true, prefersText: true, take: takeFiles, show(isOver, items = []) {
      apply(overlay, { hidden: !isOver });
      if (isOver) apply(overlay.firstElementChild, { textContent: overlayText(items) });
    },
  });
}

/** Whether a file, or what is dragged, is a picture by its type or name. */
export function isPicture({ name = "", type }) {
  return type.startsWith("image/") || /\.(png|jpe?g|webp)$/i.test(name);
}

// What is dragged tells its type before it is dropped; a folder, and many a workbook, has none.
function overlayText(items) {
  if (items.some(isPicture)) return _("松开后每张图一行");
  return items.some(({ type }) => !type) ? _("松开后导入表格；图片每张一行") : _("松开后导入这份表格");
}

/** A block of cells that is pasted where nothing has the focus goes into the table. */
export function receivePaste(table) {
  addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain");
    if (!text || event.defaultPrevented || event.target.closest?.("input, textarea, dialog")) return;
    event.preventDefault();
    table.clipboard.paste(text);
    table.editor.focus();
  });
}
