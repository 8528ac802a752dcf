// The dialog for 前缀 and 后缀, with what the first row becomes.

import { affixes } from "./affixes.js";
import { contentOf, withoutRefused } from "./row.js";
import { variableNames } from "./variables.js";
import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

const DELAY = 300; // ms after the last key until the server is asked

/** save({prefix, suffix}) resolves when the table has them. */
export function openAffixes(dialog, { page, table, model }, save) {
  const part = (hook) => dialog.querySelector(hook);
  const row = table.rows.all.find(table.validation.isFilled);
  let timer = 0;
  let asked = 0;

  const typed = () => ({ prefix: part("[data-affix-prefix]").value, suffix: part("[data-affix-suffix]").value });

  // As typed at once, and with its variables replaced as soon as the server said how.
  function showExample() {
    const { prefix, suffix } = typed();
    part("[data-affix-example]").replaceChildren(createAffix(prefix), row?.prompt || _("（提示词）"), createAffix(suffix));
    clearTimeout(timer);
    timer = setTimeout(ask, DELAY);
  }

  async function ask() {
    if (!row?.prompt || !dialog.open) return;
    asked += 1;
    const mine = asked;
    try {
      const { rows: [{ prompt, problems }] } = await requestJson("POST", page.dataset.checkUrl, {
        ...typed(), model: model.id, rows: [{ ...contentOf(row), ...withoutRefused(table.allColumns, row), number: row.number }],
      });
      if (mine !== asked) return;
      const problem = problems.find(({ field }) => field === "prompt");
      part("[data-affix-problem]").textContent = problem?.error ?? "";
      if (!problem) part("[data-affix-example]").textContent = prompt;
    } catch {
      // the example stays as it was typed
    }
  }

  part("[data-affix-prefix]").value = affixes.prefix;
  part("[data-affix-suffix]").value = affixes.suffix;
  part("[data-affix-names]").textContent = _("可以用 {names}", { names: variableNames().map((name) => `{${name}}`).join(" ") });
  part("[data-affix-label]").textContent = row ? _("第 {number} 行会送出", { number: row.number }) : _("每一行会送出");
  part("[data-affix-problem]").textContent = "";
  part("[data-affix-form]").oninput = showExample;
  part("[data-affix-form]").onsubmit = () => {
    save(typed());
    table.editor.focusUnlessTouch();
  };
  showExample();
  dialog.showModal();
  part("[data-affix-prefix]").focus();
}

function createAffix(text) {
  const affix = document.createElement("mark");
  affix.textContent = text;
  return affix;
}
