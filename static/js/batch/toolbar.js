// The buttons around the table by name (data-do), and the tools for rows picked by checkbox.

import { _ } from "../words.js";

/** commands: name -> function. Buttons with data-do inside `page` run them. */
export function useCommands(page, commands) {
  page.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) commands[button.dataset.do]?.(button);
  });
}

/** Checkboxes of rows, the one for all, and the tools that appear with them. */
export function usePicks(page, table) {
  const { selection, rows } = table;
  const all = page.querySelector("[data-pick-all]");
  const tools = page.querySelector("[data-tools]");
  const picked = page.querySelector("[data-picked-tools]");
  let last = -1;

  table.body.addEventListener("click", (event) => {
    const box = event.target.closest("[data-pick]");
    if (!box) return;
    const { row } = table.view.placeOfElement(box.closest("[data-column]"));
    const from = event.shiftKey && last >= 0 ? Math.min(last, row) : row;
    const to = event.shiftKey && last >= 0 ? Math.max(last, row) : row;
    last = row;
    selection.pick(rows.all.slice(from, to + 1), box.checked);
  });
  all.addEventListener("click", () => selection.pick(rows.all, all.checked));
  selection.watch(() => {
    const count = selection.picked.size;
    tools.hidden = count > 0;
    picked.hidden = count === 0;
    page.querySelector("[data-picked-count]").textContent = _("已选 {count} 行", { count });
    all.checked = count > 0 && count === rows.length;
    all.indeterminate = count > 0 && count < rows.length;
    table.view.later();
  });
}
