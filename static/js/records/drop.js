// A picture dropped anywhere on the page, pasted or chosen: by_file.js then says which record it is.

/** look(file) is called with it. */
export function drop(page, look) {
  const veil = document.querySelector("[data-drop-veil]");
  const input = document.querySelector("[data-file-input]");
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
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file) look(file);
  });
  page.addEventListener("click", (event) => {
    if (event.target.closest("[data-by-file]")) input.click();
  });
  input.addEventListener("change", () => {
    if (input.files[0]) look(input.files[0]);
    input.value = "";
  });
}
