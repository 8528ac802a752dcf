// Workbooks and blocks of cells that come in: a file chosen, dropped anywhere on the page or pasted, or a block
// pasted while nothing on the page has the focus.

/** input: the <input type="file">; overlay: shown while a file is dragged over the page. A file goes to takeFile(file). */
export function receiveFiles({ input, overlay, takeFile }) {
  let depth = 0; // of the elements that are dragged over
  const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) takeFile(file);
  });
  addEventListener("dragenter", (event) => {
    if (!hasFile(event) || document.querySelector("dialog[open]")) return;
    depth += 1;
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
    const [file] = event.dataTransfer?.files ?? [];
    if (!file || event.defaultPrevented) return;
    event.preventDefault();
    takeFile(file);
  });
}

/** A file goes to takeFile(file); a block of cells, pasted where nothing has the focus, into the table. */
export function receivePaste(table, takeFile) {
  addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain");
    const [file] = event.clipboardData?.files ?? [];
    if (file && !text && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      takeFile(file);
    }
    if (file || !text || table.readOnly || event.target.closest?.("input, textarea, dialog")) return;
    event.preventDefault();
    table.clipboard.paste(text);
    table.editor.focus();
  });
}
