// The dialog that asks before something is done, says what it waits for, or why it cannot be done. Markup: layout.html.

import { apply, create, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";
import { showPaying } from "../core/keyboard.js";

const dialog = document.querySelector("[data-ask]");
let answer = () => null; // of the question that is open

dialog.addEventListener("close", () => { if (!dialog.open) answer(null); });

/**
 * Show a question, also in the place of one that is open: that is never answered then. Resolves to the choice, null when it is closed.
 *
 * name      of the question, as data-dialog
 * choices   [{label, detail, how: its name, isPrimary, …}]; with isList below one another, and the dialog stays open when one is chosen
 * facts     [[term, value]]; content: elements to choose among
 */
export function ask({ name, title, text = "", error = "", facts = [], content = [], choices = [], isList = false, close = _("取消") }) {
  const [list, closeButton] = [dialog.querySelector("[data-ask-choices]"), dialog.querySelector("[data-ask-close]")];
  const buttons = choices.map((choice) => createChoice(choice, isList));
  apply(dialog, { data: { dialog: name }, role: name === "cost" ? "alertdialog" : null });
  dialog.querySelector("[data-ask-facts]").replaceChildren(...facts.flatMap(([term, value]) => [create("dt", { textContent: term }), create("dd", { textContent: value, dir: "auto" })]));
  dialog.querySelector("[data-ask-content]").replaceChildren(...content);
  list.replaceChildren(...(isList ? buttons : []));
  closeButton.parentElement.replaceChildren(closeButton, ...(isList ? [] : buttons));
  show(dialog, {
    "[data-ask-title]": title, "[data-ask-text]": { textContent: text, hidden: !text }, "[data-ask-error]": error, "[data-ask-close]": close,
    "[data-ask-facts]": { hidden: facts.length === 0 }, "[data-ask-content]": { hidden: content.length === 0 },
  });
  if (name === "cost") showPaying(dialog);
  else {
    if (!dialog.open) dialog.showModal();
    (list.firstElementChild ?? closeButton).focus();
  }
  return new Promise((resolve) => { answer = resolve; });
}

export const isAsking = () => dialog.open;

export function stopAsking() {
  dialog.close();
}

function createChoice(choice, isList) {
  const { label, detail = "", how = "yes", isPrimary = false } = choice;
  const onclick = () => {
    const give = answer;
    if (!isList) dialog.close();
    give(choice);
  };
  const details = detail ? [create("span", { className: "ask-detail", textContent: detail })] : [];
  return create("button", { type: "button", className: "button", classes: { "is-primary": isPrimary }, data: { askChoice: how }, onclick }, label, ...details);
}
