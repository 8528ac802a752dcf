// The buttons around the table, and the checkboxes of rows with the tools that appear for them.

import { _ } from "../core/i18n.js";

/** commands: name -> function(button). Buttons with data-command inside `page` run them. */
export function bindCommands(page, commands) {
  page.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-command]");
    if (button) commands[button.dataset.command]?.(button);
  });
}

/** The checkbox of each row, with Shift for all rows since the last one, and the one for all. */
export function bindPicks(page, { element, body, rows, selection, view }) {
  const all = page.querySelector("[data-select-all]");
  let last = -1;

  body.addEventListener("click", ({ target, shiftKey }) => {
    const checkbox = target.closest("[data-select]");
    if (!checkbox) return;
    const { row } = view.positionOf(checkbox);
    const [first, end] = shiftKey && last >= 0 ? [Math.min(last, row), Math.max(last, row)] : [row, row];
    last = row;
    selection.setPicked(rows.shown.slice(first, end + 1), checkbox.checked);
  });
  all.addEventListener("click", () => selection.setPicked(rows.shown, all.checked));
  selection.watch(() => {
    const count = selection.picked.size;
    page.querySelector("[data-batch-toolbar]").hidden = count > 0;
    page.querySelector("[data-selection-toolbar]").hidden = count === 0;
    page.querySelector("[data-selected-count]").textContent = _("已选 {count} 行", { count });
    element.classList.toggle("has-picked", count > 0);
    all.checked = count > 0 && count === rows.shown.length;
    all.indeterminate = count > 0 && count < rows.shown.length;
    view.requestRender();
  });
}
