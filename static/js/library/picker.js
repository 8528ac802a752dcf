// Choose reference images in order, in a dialog: search, upload in place, keyboard. Template: partials/image_picker.html.

import { PickerList } from "./picker_list.js";
import { PickerSelection } from "./picker_selection.js";
import { onFilesDropped } from "../core/file_drop.js";
import { _ } from "../core/i18n.js";
import { arrowTarget } from "../core/keyboard.js";
import { showToast } from "../ui/toast.js";
import { makeUploads } from "../ui/uploads.js";

/**
 * Open the dialog; resolves to the chosen [{url, filename, thumbnail_url}] in order, or null when left. With `onSplit` more than `most`
 * can be chosen for onSplit(images), a row for each, instead.
 */
export function openReferencePicker(dialog, { chosen = [], most = 4, search = "", onSplit = null } = {}) {
  if (dialog.open) dialog.dispatchEvent(new Event("close")); // asked for twice while its script was loaded
  const closed = new AbortController();
  const { signal } = closed;
  const part = (selector) => dialog.querySelector(selector);
  const on = (element, kind, listener) => element.addEventListener(kind, listener, { signal });
  const { url, refusal } = dialog.dataset;
  const picker = { dialog, most, url, refusal, part, on, signal, canSplit: Boolean(onSplit) };

  part("[data-picker-search]").value = search;
  part("[data-picker-images]").replaceChildren();
  const selection = new PickerSelection(picker, chosen);
  const list = new PickerList(picker, () => selection.render());
  bindUploads(picker, selection, list);
  bindKeys(picker);
  dialog.showModal();
  if (matchMedia("(hover: hover)").matches) part("[data-picker-search]").focus(); // on a phone that would bring up its keyboard

  return new Promise((resolve) => {
    let answer = null;
    on(part("[data-picker-yes]"), "click", () => {
      answer = selection.images;
      dialog.close();
    });
    on(part("[data-picker-split]"), "click", () => {
      dialog.close();
      onSplit(selection.images);
    });
    on(dialog, "close", () => {
      closed.abort();
      resolve(answer);
    });
  });
}

/** Arrows, Home and End move among the images, and Tab comes back to the one it left; Ctrl+Enter confirms. */
function bindKeys({ dialog, part, on }) {
  const list = part("[data-picker-images]");
  on(list, "keydown", (event) => {
    const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
    const next = !hasModifier && arrowTarget([...list.children], document.activeElement, event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  on(list, "focusin", ({ target }) => {
    for (const option of list.querySelectorAll('[tabindex="0"]')) option.tabIndex = -1;
    target.tabIndex = 0;
  });
  on(part("[data-picker-search]"), "keydown", (event) => {
    if (event.key !== "ArrowDown" || !list.firstElementChild) return;
    event.preventDefault();
    list.querySelector('[tabindex="0"]').focus();
  });
  on(dialog, "keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.stopPropagation(); // on the page below it would generate
    event.preventDefault();
    part("[data-picker-yes]").click();
  });
}

const openPickers = new WeakMap(); // dialog -> {uploads, select, showUploaded}; uploads outlive the dialog

/** Files go into the library; what arrives is chosen, as long as that is possible. */
function bindUploads({ dialog, url, part, on, signal }, selection, list) {
  if (!openPickers.has(dialog)) openPickers.set(dialog, { uploads: makePickerUploads(dialog, url) });
  const { uploads: { add } } = Object.assign(openPickers.get(dialog), {
    select(image) {
      if (!selection.isFull && !selection.has(image)) selection.toggle(image);
    },
    showUploaded() {
      part("[data-picker-search]").value = "";
      list.search();
    },
  });

  on(part("[data-picker-upload]"), "click", () => part("[data-picker-file]").click());
  on(part("[data-picker-file]"), "change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  onFilesDropped(dialog, { shade: dialog, take: add, signal });
}

function makePickerUploads(dialog, url) {
  const onStored = (image) => dialog.open && openPickers.get(dialog).select(image);
  const onEnd = (done) => (dialog.open ? openPickers.get(dialog).showUploaded() : showToast(_("已加入 {done} 张示例图", { done })));
  const opener = dialog.querySelector("[data-picker-upload]");
  return makeUploads(dialog.querySelector("[data-uploads]"), { url, atOnce: 1, opener, onStored, onEnd });
}
