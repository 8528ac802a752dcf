// A workbook comes in: by button, dropped anywhere on the page, or pasted as a file.

/** Files dropped on the page, pasted, or chosen go to take(file). */
export function receiveFiles(page, { input, curtain, take }) {
  let depth = 0;
  const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (shown) => { curtain.hidden = !shown; };

  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) take(file);
  });
  addEventListener("dragenter", (event) => {
    if (!carriesFile(event) || document.querySelector("dialog[open]")) return;
    depth += 1;
    show(true);
  });
  addEventListener("dragleave", (event) => {
    if (carriesFile(event)) depth = Math.max(depth - 1, 0);
    if (depth === 0) show(false);
  });
  addEventListener("dragover", (event) => { if (carriesFile(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    depth = 0;
    show(false);
    const [file] = event.dataTransfer?.files ?? [];
    if (!file || event.defaultPrevented) return;
    event.preventDefault();
    take(file);
  });
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (!file || document.querySelector("dialog[open]") || event.clipboardData.getData("text/plain")) return;
    event.preventDefault();
    take(file);
  });
}
