// Files dropped on an element or on the document, or pasted there.

/**
 * Calls take(files), with takesFolders take(files, folders: FileSystemEntry of each). show(isOver, items) is called while they are over it, and then once with false; by default
 * `shade` has the class is-dropping meanwhile. prefersText: what is pasted with a text is no file.
 */
export function onFilesDropped(target, { shade, show = (isOver) => shade.classList.toggle("is-dropping", isOver), take, takesFolders = false, prefersText = false, signal }) {
  const on = (kind, listener) => target.addEventListener(kind, listener, { signal });
  let isFromPage = false; // what is dragged began here

  function receive(event, files, folders = []) {
    if (!files?.length && folders.length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    take([...files], folders);
  }

  on("dragstart", () => { isFromPage = true; });
  on("dragend", () => { isFromPage = false; });
  on("dragover", (event) => {
    if (isFromPage || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    show(true, [...event.dataTransfer.items ?? []]);
  });
  on("dragleave", (event) => {
    if (!target.contains(event.relatedTarget)) show(false);
  });
  on("drop", (event) => {
    show(false);
    if (isFromPage) return;
    const entries = [...event.dataTransfer?.items ?? []].map((item) => item.webkitGetAsEntry?.()); // only now: later they are gone
    const folders = takesFolders ? entries.filter((entry) => entry?.isDirectory) : [];
    const files = [...event.dataTransfer?.files ?? []].filter(({ name }) => !folders.some((folder) => folder.name === name));
    receive(event, files, folders);
  });
  on("paste", (event) => {
    const isText = (prefersText || event.target.closest?.("input, textarea")) && event.clipboardData?.getData("text/plain"); // Excel adds an image
    const isElsewhere = target === document && document.querySelector("dialog[open]");
    if (!isText && !isElsewhere) receive(event, event.clipboardData?.files);
  });
}
