// A picture dragged from elsewhere over the page, and let go anywhere on it.

/** look(file) is called with it; begins with the first thing that is dragged. */
export function drop(look) {
  const veil = document.querySelector("[data-drop-veil]");
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
