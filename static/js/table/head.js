// The head of the open table: its name, whether everything is saved, and what happened to it elsewhere.

import { messageOf } from "../core/http.js";
import { _ } from "../core/i18n.js";

/** Returns {show(table), showSaving(saving), tell(text), showFailure(error)}. rename(name) resolves when the table has it. */
export function makeHead(head, { rename }) {
  const [name, saving, notice] = head.querySelectorAll("[data-name], [data-saving], [data-notice]");
  const state = { name: "", saving: null, notice: "" };

  function render() {
    name.textContent = state.name || _("没有名字的表格");
    const { count = 0, error = "", isKept = true } = state.saving ?? {};
    saving.textContent = !isKept && count > 0 ? _("浏览器存不下了，{n} 处修改还没有存上，请不要关闭", { n: count })
      : error && count > 0 ? _("还没有存上 {n} 处修改，连上后自己存：{error}", { n: count, error })
        : count > 0 ? _("正在保存…") : state.saving ? _("已保存") : "";
    saving.classList.toggle("is-bad", count > 0 && (Boolean(error) || !isKept));
    notice.textContent = state.notice;
    notice.hidden = !state.notice;
  }

  function set(changes) {
    Object.assign(state, changes);
    render();
  }

  return {
    show: (table) => set({ name: table.name }),
    showSaving: (value) => set({ saving: value }),
    tell: (text) => set({ notice: text }),
    showFailure: (error) => set({ notice: messageOf(error) }),
    rename,
  };
}
