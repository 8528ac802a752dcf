// The notice above the table about the draft: repaired, copied, or changed in another tab.

import { _ } from "../core/i18n.js";

/** batch: see pages/batch.js. */
export function makeDraftNotice(notice, batch) {
  const { table } = batch;
  let isUntilChange = false; // whether it is true only until the rows change

  function show(content, { untilChange = true } = {}) {
    isUntilChange = untilChange;
    notice.replaceChildren(...[content].flat());
    notice.hidden = false;
  }

  table.rows.watch(({ reset }) => { if (!reset && isUntilChange) notice.hidden = true; });
  return {
    hide() { notice.hidden = true; },
    showRepaired: (count) => show(_("草稿里有 {n} 格的内容和它的列不符，已改成文字，请核对。", { n: count })),
    showCopied: () => show(_("表格里现在是复制来的批次。原来的草稿还在，按「撤销」（Ctrl+Z）就换回来。")),
    showNotCopied: () => show(_("浏览器没有存下草稿，所以没有复制。请关掉无痕模式或清理浏览器的空间，再试一次。"), { untilChange: false }),

    /** Another tab wrote the draft: the last to write wins. */
    showOtherTab() {
      if (table.readOnly) return;
      const reload = createButton(_("载入另一份"), () => location.reload());
      show([_("这份草稿刚在另一个标签页里改过，这里还是旧的；在这里继续改会盖掉那边的改动。"), reload], { untilChange: false });
    },
  };
}

function createButton(label, run) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button is-small";
  button.textContent = label;
  button.addEventListener("click", run);
  return button;
}
