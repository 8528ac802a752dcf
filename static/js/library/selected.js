// Images of the library that are selected, and the bar with what can be done to them.

import { HttpError } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { bindSelection } from "../ui/list_selection.js";
import { onLongPress } from "../ui/long_press.js";

/** runAll(name, samples) runs a command. Returns the selection (list_selection.js). */
export function bindSampleSelection(library, list, runAll) {
  const bar = document.querySelector("[data-selection]");
  const error = bar.querySelector("[data-error]");
  const selection = bindSelection(library, bar, { item: ".sample", changed: showCount });

  function showCount({ length: n }) {
    bar.querySelector("[data-selection-count]").textContent = n ? _("已选 {n} 张", { n }) : _("点图片选择");
    error.textContent = "";
  }

  async function run(name) {
    if (bar.dataset.busy || !selection.size()) return;
    bar.dataset.busy = "yes";
    error.textContent = "";
    try {
      await runAll(name, selection.ids().map((key) => list.find(key)));
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      error.textContent = failure.message;
    } finally {
      delete bar.dataset.busy;
    }
  }

  function onKey(event) {
    if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const sample = event.target.closest(".sample-link")?.closest(".sample");
    if (event.key === "Escape" && selection.isOpen) selection.clear();
    else if (event.key === " " && sample) selection.toggle(sample.dataset.sample);
    else if (event.key === "Delete" && selection.size() && !event.target.matches("input:not([data-select])")) run("delete");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  bar.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-command]");
    if (button) run(button.dataset.command);
  });
  document.addEventListener("keydown", onKey, { capture: true });
  onLongPress(list.list, ".sample", ({ dataset }) => {
    selection.start();
    selection.toggle(dataset.sample);
  });
  library.addEventListener("list-changed", selection.refresh);
  library.querySelector("[data-select-mode]").addEventListener("click", selection.start);
  return selection;
}
