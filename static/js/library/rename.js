// Renaming an image of the library: its name becomes a field until it is saved or given up.

import { HttpError, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

/** Resolves when it is over. A name that is refused stays in the field, with the reason below it. */
export function renameInPlace(sample, list) {
  const label = sample.querySelector(".sample-name");
  const errorElement = sample.querySelector("[data-error]");
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
        if (isNewName(sample.dataset.filename, name)) await saveName(sample, name, list);
        else close();
        resolve();
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
      resolve();
    }

    function close() {
      const hadFocus = document.activeElement === field;
      field.onblur = null;
      field.replaceWith(label);
      if (hadFocus) focusImage(sample);
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

function nameField(filename) {
  const field = document.createElement("input");
  field.className = "input sample-new-name";
  field.maxLength = 200;
  field.value = filename.replace(/\.[^.]+$/, "");
  field.setAttribute("aria-label", _("新名字：{filename}", { filename }));
  return field;
}

function isNewName(filename, name) {
  return name !== "" && `${name}.` !== filename.replace(/[^.]+$/, "");
}

async function saveName(sample, filename, list) {
  const { images } = await requestJson("PATCH", sample.dataset.url, { filename });
  const hadFocus = sample.contains(document.activeElement);
  const renamed = await list.reload(images[0].key, sample);
  if (hadFocus) focusImage(renamed);
}

function focusImage(sample) {
  sample.querySelector(".sample-link").focus({ preventScroll: true });
}
