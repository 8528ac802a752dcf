// Renaming an image of the library, in the list or in the panel of the large view.

import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { renameInPlace } from "../ui/rename.js";

/** Resolves to the element of the image when it is over. `label` is what shows the name; focus(sample) is called where the focus was in the field. */
export async function renameSample(sample, list, {
  label = sample.querySelector(".sample-name"), errorElement = sample.querySelector("[data-error]"), focus = focusImage,
} = {}) {
  const { filename, url } = sample.dataset;
  const answer = await renameInPlace(label, {
    name: filename.replace(/\.[^.]+$/, ""), title: _("新名字：{filename}", { filename }), className: "sample-new-name", errorElement,
    save: (name) => requestJson("PATCH", url, { filename: name }), focus: () => focus(sample),
  });
  if (!answer) return sample;
  const hadFocus = sample.contains(document.activeElement);
  const renamed = await list.redraw(answer.images[0].key, sample);
  if (hadFocus) focus(renamed);
  return renamed;
}

/** The same in the panel of the large view. */
export async function renameInLargeView(sample, list, lightbox) {
  lightbox.showPanel();
  const dialog = lightbox.querySelector("dialog");
  const label = dialog.querySelector("[data-name]");
  if (!label) return; // it is being renamed
  const errorElement = label.parentElement.querySelector("[data-error]");
  const renamed = await renameSample(sample, list, { label, errorElement, focus: () => dialog.focus() });
  if (lightbox.isOpen && lightbox.item === sample && renamed !== sample) lightbox.present(renamed.querySelector(".sample-link"));
}

function focusImage(sample) {
  sample.querySelector(".sample-link").focus({ preventScroll: true });
}
