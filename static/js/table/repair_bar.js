// Above the table while failed rows are changed: how many are, what is wrong with the active cell, and how to send them.

import { pricePerPicture } from "./costs.js";
import { _, formatPrice } from "../core/i18n.js";

/** repairs: see repairs.js. Returns {refresh(), showProblem(text)}. */
export function makeRepairBar(bar, { table, repairs, model }) {
  const part = (name) => bar.querySelector(`[data-repair-${name}]`);
  const retry = bar.querySelector('[data-command="retry-changed"]');
  const replace = bar.querySelector('[data-command="replace"]');

  function refresh() {
    const focused = bar.contains(document.activeElement) && document.activeElement;
    render();
    if (focused && !focused.checkVisibility()) table.editor.focusUnlessTouch();
  }

  function render() {
    const { changed } = repairs;
    const canReplace = table.rows.shown.some(repairs.isOpen);
    bar.hidden = changed.length === 0 && !(table.rows.isFiltered && canReplace);
    replace.hidden = !canReplace;
    retry.hidden = changed.length === 0;
    if (bar.hidden) return;
    setText(part("text"), changed.length > 0 ? _("改了 {n} 行，还没有重试", { n: changed.length }) : _("直接在表格里改，改好再重试"));
    const counts = changed.map((row) => repairs.failedOf(row).length);
    const price = changed.reduce((sum, row, index) => sum + counts[index] * pricePerPicture(row, model), 0);
    setText(retry, _("重试改过的 {n} 张 · {sum}", { n: counts.reduce((sum, count) => sum + count, 0), sum: formatPrice(price) }));
  }

  table.rows.watchShown(refresh);
  return { refresh, showProblem: (text) => setText(part("problem"), text) };
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
