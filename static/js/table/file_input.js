// Workbooks, pictures and blocks of cells that come in: files chosen, dropped anywhere on the page or pasted, or a
// block pasted while nothing on the page has the focus.

import { _ } from "../core/i18n.js";

/** input: the <input type="file">; overlay: shown while files are dragged over the page. takeFiles(files, folders) gets them. */
export function receiveFiles({ input, overlay, takeFiles }) {
  let depth = 0; // of the elements that are dragged over
  const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) takeFiles([file]);
  });
  addEventListener("dragenter", (event) => {
    if (!hasFile(event) || document.querySelector("dialog[open]")) return;
    depth += 1;
    overlay.firstElementChild.textContent = overlayText([...event.dataTransfer.items]);
    overlay.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (hasFile(event)) depth = Math.max(depth - 1, 0);
    if (depth === 0) overlay.hidden = true;
  });
  addEventListener("dragover", (event) => { if (hasFile(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    depth = 0;
    overlay.hidden = true;
    if (!event.dataTransfer?.files.length || event.defaultPrevented) return;
    event.preventDefault();
    const items = [...event.dataTransfer.items].filter(({ kind }) => kind === "file");
    const folders = items.map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry?.isDirectory); // only now: later they are gone
    const files = items.filter((item) => !item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile());
    takeFiles(files, folders);
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

/** Files go to takeFiles(files); a block of cells, pasted where nothing has the focus, into the table. */
export function receivePaste(table, takeFiles) {
  addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain");
    const files = [...event.clipboardData?.files ?? []];
    if (files.length > 0 && !text && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      takeFiles(files);
    }
    if (files.length > 0 || !text || event.target.closest?.("input, textarea, dialog")) return;
    event.preventDefault();
    table.clipboard.paste(text);
    table.editor.focus();
  });
}
