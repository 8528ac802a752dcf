// Files dropped on an element or on the document, or pasted there.

/** Calls take(files); while they are over it, `shade` has the class is-dropping. */
export function onFilesDropped(target, { shade, take, signal }) {
  const on = (kind, listener) => target.addEventListener(kind, listener, { signal });
  let isFromPage = false; // what is dragged began here

  function receive(event, files) {
    if (!files?.length) return;
    event.preventDefault();
    event.stopPropagation();
    take([...files]);
  }

  on("dragstart", () => { isFromPage = true; });
  on("dragend", () => { isFromPage = false; });
  on("dragover", (event) => {
    if (isFromPage || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    shade.classList.add("is-dropping");
  });
  on("dragleave", (event) => {
    if (!target.contains(event.relatedTarget)) shade.classList.remove("is-dropping");
  });
  on("drop", (event) => {
    shade.classList.remove("is-dropping");
    if (!isFromPage) receive(event, event.dataTransfer?.files);
  });
  on("paste", (event) => {
    const isText = event.target.closest?.("input, textarea") && event.clipboardData?.getData("text/plain"); // Excel adds an image
    const isElsewhere = target === document && document.querySelector("dialog[open]");
    if (!isText && !isElsewhere) receive(event, event.clipboardData?.files);
  });
}
