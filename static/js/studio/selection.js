// Pictures of 单图生成 that are selected, the bar with what can be done to them, and the keys of the list.

import { _ } from "../core/i18n.js";
import { runCommand, runInPlace, targetOf } from "../records/actions.js";
import { bindShortcuts } from "../records/keyboard.js";
import { bindSelection } from "../ui/list_selection.js";
import { onLongPress } from "../ui/long_press.js";
import { removesCards } from "./requests.js";

/** Returns refresh(), to be called when cards have changed. */
export function bindResultSelection(section, list) {
  const bar = document.querySelector("[data-selection]");
  const selection = bindSelection(section, bar, { item: "[data-record-id]", changed: (cards) => showBar(bar, cards) });
  const page = {
    deletedMessage: (_label, n) => _("已删除 {n} 张", { n }),
    deleting: removesCards(list),
    changed: () => document.dispatchEvent(new Event("poll-now")),
  };

  const runOnSelection = (name) => runInPlace(bar, () => runCommand(name, { ids: selection.ids().map(Number) }, { page }));
  const runOnRecord = (name, record) => runInPlace(record, () => runCommand(name, targetOf(record), { record }), null, name);

  bar.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-command]");
    if (button && selection.size()) runOnSelection(button.dataset.command);
  });
  section.querySelector("[data-select-mode]").addEventListener("click", selection.start);
  onLongPress(list, ".is-selectable", ({ dataset }) => {
    selection.start();
    selection.toggle(dataset.recordId);
  });
  bindShortcuts(section, { selection, runOnSelection, runOnRecord });
  return selection.refresh;
}

function showBar(bar, cards) {
  const { length: n } = cards;
  const isEachKept = n > 0 && cards.every(({ dataset }) => dataset.pick === "keep");
  const button = bar.querySelector("[data-keep-selected]");
  bar.querySelector("[data-selection-count]").textContent = n ? _("已选 {n} 张", { n }) : _("点图片选择");
  button.dataset.command = isEachKept ? "unpick" : "keep";
  button.querySelector("span").textContent = isEachKept ? _("取消留下") : _("留下");
}
