// The dialog for 前缀 and 后缀, with what the first row becomes.

import { affixes } from "./affixes.js";
import { contentOf, withoutRefused } from "./row.js";
import { create, show } from "../core/dom.js";
import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { latest, soon } from "../core/timing.js";

const DELAY = 300; // ms after the last key until the server is asked

/** save({prefix, suffix}) resolves when the table has them. */
export function openAffixes(dialog, { page, table, model, variableNames }, save) {
  const [prefixField, suffixField] = ["[data-affix-prefix]", "[data-affix-suffix]"].map((hook) => dialog.querySelector(hook));
  const example = dialog.querySelector("[data-affix-example]");
  const row = table.rows.all.find(table.validation.isFilled);
  const typed = () => ({ prefix: prefixField.value, suffix: suffixField.value });
  const askSoon = soon(ask, DELAY);
  const check = latest((body) => requestJson("POST", page.dataset.checkUrl, body));

  // As typed at once, and with its variables replaced as soon as the server said how.
  function showExample() {
    const [before, after] = Object.values(typed()).map((textContent) => create("mark", { textContent }));
    example.replaceChildren(before, row?.prompt || _("（提示词）"), after);
    askSoon();
  }

  async function ask() {
    if (!row?.prompt || !dialog.open) return;
    const content = { ...contentOf(row), ...withoutRefused(table.allColumns, row), number: row.number };
    const answer = await check({ ...typed(), model: model.id, rows: [content] }).catch(() => null); // the example stays as it was typed
    if (!answer) return;
    const { rows: [{ prompt, problems }] } = answer;
    const problem = problems.find(({ field }) => field === "prompt");
    show(dialog, { "[data-affix-problem]": problem?.error ?? "", ...(!problem && { "[data-affix-example]": prompt }) });
  }

  show(dialog, {
    "[data-affix-prefix]": { value: affixes.prefix },
    "[data-affix-suffix]": { value: affixes.suffix },
    "[data-affix-names]": _("可以用 {names}", { names: variableNames().map((name) => `{${name}}`).join(" ") }),
    "[data-affix-label]": row ? _("第 {number} 行会送出", { number: row.number }) : _("每一行会送出"),
    "[data-affix-problem]": "",
    "[data-affix-form]": {
      oninput: showExample, onsubmit() {
        save(typed());
        table.editor.focusUnlessTouch();
      },
    },
  });
  showExample();
  dialog.showModal();
  prefixField.focus();
}
