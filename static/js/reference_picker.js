// Choose reference images in order, in a dialog: search, upload in place, keyboard. Template: _reference_picker.html.

import { makeChoice } from "./picker/choice.js";
import { moveByKeys } from "./picker/keys.js";
import { showLibrary } from "./picker/library.js";
import { takeFiles } from "./picker/uploading.js";

/** Open the dialog; resolves to the chosen [{url, filename, thumbnail_url}] in order, or null when left. */
export function openReferencePicker(dialog, { chosen = [], most = 4, search = "" } = {}) {
  const { signal, end } = untilClosed(dialog);
  const part = (name) => dialog.querySelector(`[data-picker-${name}]`);
  const on = (element, kind, listener) => element.addEventListener(kind, listener, { signal });
  const picker = { dialog, most, url: dialog.dataset.url, refusal: dialog.dataset.refusal, part, on, signal };
  const choice = makeChoice(picker, chosen);
  let answer = null;

  part("search").value = search;
  part("images").replaceChildren();
  const library = showLibrary(picker, choice);
  takeFiles(picker, { choice, library });
  moveByKeys(picker);
  on(part("yes"), "click", () => {
    answer = choice.picked;
    dialog.close();
  });
  on(dialog, "keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.stopPropagation(); // on the page below it would generate
    event.preventDefault();
    part("yes").click();
  });

  dialog.showModal();
  if (matchMedia("(hover: hover)").matches) part("search").focus(); // on a phone that would bring up its keyboard
  return end.then(() => answer);
}

function untilClosed(dialog) {
  const stop = new AbortController();
  const end = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      stop.abort();
      resolve();
    }, { once: true });
  });
  return { signal: stop.signal, end };
}
