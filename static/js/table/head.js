// The head of the open table: its name, whether everything is saved, and what happened to it elsewhere.

import { makeMenu } from "./menu.js";
import { UNREACHABLE } from "../core/http.js";
import { _ } from "../core/i18n.js";

const TOLD = 30_000; // ms for which it is said what happened elsewhere

/** Returns {show(table), showSaving(saving), tell(text), openMenu(button)}. */
export function makeHead(page) {
  const [name, saving, notice, menu] = ["[data-name]", "[data-saving]", "[data-notice]", "[data-more-menu]"].map((hook) => page.querySelector(hook));
  const { open: openMenu } = makeMenu(menu);
  let timer = 0;
  const state = { name: "", saving: { count: 0, error: "", isKept: true }, isMade: false, notice: "" };

  function show(changes) {
    Object.assign(state, changes);
    const { count, error, isKept } = state.saving;
    name.textContent = state.name || (state.isMade ? _("没有名字的表格") : _("新表格"));
    saving.dataset.saving = count === 0 ? "saved" : error || !isKept ? "failing" : "saving";
    saving.textContent = saving.title = savingWords(state);
    notice.textContent = state.notice;
    notice.hidden = !state.notice;
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
