// The head of the open table: its name, whether everything is saved, and what happened to it elsewhere.

import { makeMenu } from "../ui/item_menu.js";
import { apply, show as showParts } from "../core/dom.js";
import { UNREACHABLE } from "../core/http.js";
import { _ } from "../core/i18n.js";

const TOLD = 30_000; // ms for which it is said what happened elsewhere

/** Returns {show(table), showSaving(saving), tell(text), openMenu(button)}. */
export function makeHead(page) {
  const menu = page.querySelector("[data-more-menu]");
  const { open: openMenu } = makeMenu(menu);
  let timer = 0;
  const state = { name: "", saving: { count: 0, error: "", isKept: true }, isMade: false, notice: "" };

  function show(changes) {
    Object.assign(state, changes);
    const { count, error, isKept } = state.saving;
    const words = savingWords(state);
    showParts(page, {
      "[data-name]": state.name || (state.isMade ? _("没有名字的表格") : _("新表格")),
      "[data-saving]": { textContent: words, title: words, data: { saving: count === 0 ? "saved" : error || !isKept ? "failing" : "saving" } },
      "[data-notice]": { textContent: state.notice, hidden: !state.notice },
    });
  }

  menu.addEventListener("click", () => menu.hidePopover());
  return {
    openMenu,
    show: (table) => show({ name: table.name, isMade: Boolean(table.id) }),
    showSaving: (value) => show({ saving: value }),
    tell(text) {
      clearTimeout(timer);
      timer = setTimeout(() => show({ notice: "" }), TOLD);
      show({ notice: text });
    },
  };
}

function savingWords({ saving: { count, error, isKept }, isMade }) {
  if (count === 0) return isMade ? _("已保存") : "";
  if (!isKept) return _("浏览器存不下了，{n} 处修改还没有存上，请不要关闭", { n: count });
  if (!error) return _("正在保存…");
  const words = _("还没有存上 {n} 处修改，连上后自己存", { n: count });
  return error === UNREACHABLE ? words : words + _("：") + error; // the top bar says that one
}

// 表格 | 看图: two views of the open table under one head. The address says which one is shown.

/** show(isPictures) is called when the view is another one. Returns {start(), isInAddress()}: start() shows what the address says. */
export function bindView(page, show) {
  const buttons = page.querySelectorAll("[data-view-name]");
  const isInAddress = () => new URLSearchParams(location.search).get("view") === "pictures";
  let isPictures = false;

  function update() {
    if (isPictures !== isInAddress()) {
      isPictures = !isPictures;
      apply(page, { classes: { "is-pictures": isPictures } });
      show(isPictures);
    }
    for (const button of buttons) apply(button, { ariaPressed: String((button.dataset.viewName === "pictures") === isPictures) });
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      const address = new URL(location);
      if (button.dataset.viewName === "pictures") address.searchParams.set("view", "pictures");
      else address.searchParams.delete("view");
      if (address.href !== location.href) history.pushState(null, "", address);
      update();
    });
  }
  addEventListener("popstate", update);
  return { start: update, isInAddress };
}

// The buttons around the table, and the checkboxes of rows with the tools that appear for them.

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
    showParts(page, {
      "[data-batch-toolbar]": { hidden: count > 0 },
      "[data-selection-toolbar]": { hidden: count === 0 },
      "[data-selected-count]": _("已选 {count} 行", { count }),
      "[data-select-all]": { checked: count > 0 && count === rows.shown.length, indeterminate: count > 0 && count < rows.shown.length },
    });
    apply(element, { classes: { "has-picked": count > 0 } });
    view.requestRender();
  });
}
