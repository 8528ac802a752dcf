// A name in the page becomes a field until it is saved or given up.

import { create } from "../core/dom.js";
import { attempt } from "../core/http.js";

/**
 * label: what shows the name; title: of the field. Enter or leaving it saves, Esc gives up. A name that is refused stays in the field, with
 * the reason in errorElement. focus() is called for the label that takes the focus back. Resolves to what save(name) resolves to, null without
 * another name.
 */
export function renameInPlace(label, { name, title, className = "", errorElement, save, focus = () => label.focus({ preventScroll: true }) }) {
  const field = create("input", { className: `input ${className}`, dir: "auto", maxLength: 200, value: name, ariaLabel: title });
  label.replaceWith(field);
  field.select();

  return new Promise((resolve) => {
    async function end(isSaved) {
      if (field.readOnly) return;
      const wanted = field.value.trim();
      field.readOnly = true;
      errorElement.textContent = "";
      await attempt(async () => {
        const answer = isSaved && wanted && wanted !== name ? await save(wanted) : null;
        const hadFocus = document.activeElement === field;
        field.onblur = null;
        field.replaceWith(label);
        if (hadFocus) focus();
        resolve(answer);
      }, (sentence) => { errorElement.textContent = sentence; });
      field.readOnly = false;
    }

    field.onblur = () => end(true);
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      end(event.key === "Enter");
    });
  });
}
