// Files that come by themselves: dropped anywhere on a place, or pasted there.

/** They go to take(files); while they hover, `shade` has the class is-dropping. */
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
    const isText = event.target.closest?.("input, textarea") && event.clipboardData?.getData("text/plain");
    const isElsewhere = place === document && document.querySelector("dialog[open]");
    if (!isText && !isElsewhere) receive(event, event.clipboardData?.files);
  });
}

// A picture dragged from elsewhere over the page, and let go anywhere on it.

/** look(file) is called with it; begins with the first thing that is dragged. */
export function onFileDropped(look) {
  const veil = document.querySelector("[data-drop-overlay]");
  let isOurs = false;

  const hasFile = (event) => !isOurs && [...(event.dataTransfer?.types ?? [])].includes("Files");

  document.addEventListener("dragstart", () => (isOurs = true));
  document.addEventListener("dragend", () => (isOurs = false));
  document.addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    veil.hidden = true;
    if (!hasFile(event) || !event.dataTransfer.files.length) return;
    event.preventDefault();
    look(event.dataTransfer.files[0]);
  });
}
