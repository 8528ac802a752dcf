// The dialog of an import: what it waits for, what it asks, and why a file cannot be read.

import { _ } from "../core/i18n.js";

/**
 * dialog: tables/import_dialog.html. Returns {show(state), ask(state): resolves to the choice, null when it is closed, close(), isOpen}.
 * A state is {title, text, error, choices: [{label, detail, how, …}], sheets: elements}.
 */
export function makeImportDialog(dialog, onClose) {
  const part = (hook) => dialog.querySelector(hook);
  let answer = () => null; // the question that is open

  dialog.addEventListener("close", () => {
    onClose();
    answer(null);
  });

  function show({ title, text = "", error = "", choices = [], sheets = null }) {
    part("[data-import-title]").textContent = title;
    part("[data-import-text]").textContent = text;
    part("[data-import-error]").textContent = error;
    part("[data-import-sheets]").hidden = !sheets;
    part("[data-import-sheets]").replaceChildren(...(sheets ?? []));
    part("[data-import-choices]").replaceChildren(...choices.map(createChoice));
    part("[data-import-close]").textContent = error ? _("关闭") : _("取消");
    if (!dialog.open) dialog.showModal();
    (part("[data-import-choices]").querySelector("button") ?? part("[data-import-close]")).focus();
  }

  function createChoice(choice, index) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: index ? "button" : "button is-primary" });
    const detail = Object.assign(document.createElement("span"), { className: "import-detail", textContent: choice.detail ?? "" });
    button.append(choice.label, ...(choice.detail ? [detail] : []));
    button.dataset.importChoice = choice.how;
    button.addEventListener("click", () => answer(choice));
    return button;
  }

  return {
    show,
    ask(state) {
      show(state);
      return new Promise((resolve) => { answer = resolve; });
    },
    close: () => dialog.close(),
    get isOpen() { return dialog.open; },
  };
}

/** A sheet of a workbook, {name, rows}, with a checkbox. */
export function createSheet({ name, rows }, isChosen) {
  const line = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: isChosen });
  const count = Object.assign(document.createElement("span"), { className: "hint", textContent: _("{n} 行", { n: rows }) });
  line.append(box, name, count);
  return line;
}
