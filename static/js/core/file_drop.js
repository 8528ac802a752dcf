// Files dropped on an element or on the document, or pasted there.

/** Calls take(files); while they hover, `shade` has the class is-dropping. */
export function onFilesDropped(place, { shade, take, signal }) {
  const on = (kind, listener) => place.addEventListener(kind, listener, { signal });
  let isOurs = false; // what is dragged began here

  function receive(event, files) {
    if (!files?.length) return;
    event.preventDefault();
    event.stopPropagation();
    take([...files]);
  }

  on("dragstart", () => { isOurs = true; });
  on("dragend", () => { isOurs = false; });
  on("dragover", (event) => {
    if (isOurs || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    shade.classList.add("is-dropping");
  });
  on("dragleave", (event) => {
    if (!place.contains(event.relatedTarget)) shade.classList.remove("is-dropping");
  });
  on("drop", (event) => {
    shade.classList.remove("is-dropping");
    if (!isOurs) receive(event, event.dataTransfer?.files);
  });
  on("paste", (event) => {
    const isText = event.target.closest?.("input, textarea") && event.clipboardData?.getData("text/plain"); // Excel adds an image
    const isElsewhere = place === document && document.querySelector("dialog[open]");
    if (!isText && !isElsewhere) receive(event, event.clipboardData?.files);
  });
}
