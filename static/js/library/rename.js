// Renaming an image of the library: its name becomes a field until it is saved or given up.

import { create } from "../core/dom.js";
import { HttpError, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

/**
 * Resolves to the element of the image when it is over. A name that is refused stays in the field, with the reason below it.
 * `label` is what shows the name, errorElement the reason; focus(sample) is called where the focus was in the field.
 */
export function renameInPlace(sample, list, {
  label = sample.querySelector(".sample-name"), errorElement = sample.querySelector("[data-error]"), focus = focusImage,
} = {}) {
  const field = nameField(sample.dataset.filename);
  label.replaceWith(field);
  field.select();

  return new Promise((resolve, reject) => {
    async function save() {
      if (field.readOnly) return;
      field.readOnly = true;
      errorElement.textContent = "";
      try {
        const name = field.value.trim();
        if (isNewName(sample.dataset.filename, name)) return resolve(await saveName(name));
        close();
        resolve(sample);
      } catch (error) {
        if (error instanceof HttpError) errorElement.textContent = error.message;
        else reject(error);
      }
      field.readOnly = false;
    }

    function cancel() {
      if (field.readOnly) return;
      close();
      errorElement.textContent = "";
      resolve(sample);
    }

    async function saveName(filename) {
      const { images } = await requestJson("PATCH", sample.dataset.url, { filename });
      const hadFocus = document.activeElement === field;
      const renamed = await list.reload(images[0].key, sample);
      if (hadFocus) focus(renamed);
      return renamed;
    }

    function close() {
      const hadFocus = document.activeElement === field;
      field.onblur = null;
      field.replaceWith(label);
      if (hadFocus) focus(sample);
    }

    field.onblur = save;
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const action = { Enter: save, Escape: cancel }[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    });
  });
}

/** The same in the panel of the large view. */
export async function renameInLargeView(sample, list, lightbox) {
  lightbox.showPanel();
  const dialog = lightbox.querySelector("dialog");
  const label = dialog.querySelector("[data-name]");
  if (!label) return; // it is being renamed
  const errorElement = label.parentElement.querySelector("[data-error]");
  const renamed = await renameInPlace(sample, list, { label, errorElement, focus: () => dialog.focus() });
  if (lightbox.isOpen && lightbox.item === sample && renamed !== sample) lightbox.present(renamed.querySelector(".sample-link"));
}

function nameField(filename) {
  return create("input", {
    className: "input sample-new-name",
    dir: "auto",
    maxLength: 200,
    value: filename.replace(/\.[^.]+$/, ""),
    ariaLabel: _("新名字：{filename}", { filename }),
  });
}

function isNewName(filename, name) {
  return name !== "" && `${name}.` !== filename.replace(/[^.]+$/, "");
}

function focusImage(sample) {
  sample.querySelector(".sample-link").focus({ preventScroll: true });
}
