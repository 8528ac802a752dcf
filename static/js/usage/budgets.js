// The budgets of 用量: a field is saved when it is left or Enter is pressed; the figures follow the ledger.

import { readAmount, writeAmount } from "../core/amounts.js";
import { attempt } from "../core/attempt.js";
import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { showToast } from "../ui/toast.js";

const NEAR = 0.8; // of a budget
const yuan = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });

/** Returns {refresh()}, which loads the figures. */
export function bindBudgets(section) {
  const { url } = section.dataset;
  const items = [...section.querySelectorAll("[data-scope]")];

  function show({ budgets, spent }) {
    for (const item of items) {
      const { scope } = item.dataset;
      const limit = budgets[scope];
      const used = spent[scope] ?? 0;
      const input = item.querySelector("input");
      const bar = item.querySelector("progress");
      if (input !== document.activeElement) input.value = limit === null ? "" : writeAmount(limit);
      item.classList.toggle("is-near", limit !== null && used >= NEAR * limit && scope in spent);
      bar.hidden = limit === null || !(scope in spent);
      bar.value = limit > 0 ? Math.min(used / limit, 1) * 100 : 100;
      if (scope in spent) item.querySelector("[data-spent]").textContent = spentText(limit, used);
    }
  }

  async function save(item) {
    const input = item.querySelector("input");
    const error = item.querySelector("[data-error]");
    error.textContent = "";
    await attempt(async () => { // what is no number is sent as it is: the server says what is expected
      show(await requestJson("PUT", url, { [item.dataset.scope]: readAmount(input.value) }));
      input.removeAttribute("aria-invalid");
      showToast(_("预算已保存"));
      document.dispatchEvent(new Event("poll-now"));
    }, (sentence) => {
      input.setAttribute("aria-invalid", "true");
      error.textContent = sentence;
    });
  }

  section.addEventListener("change", ({ target }) => save(target.closest("[data-scope]")));
  return { refresh: () => requestJson("GET", url).then(show, () => {}) }; // without an answer the next change loads again
}

function spentText(limit, used) {
  const spent = `¥${yuan.format(used)}`;
  if (limit === null) return _("已用 {spent}", { spent });
  return _("已用 {spent}，还剩 {left}", { spent, left: `¥${yuan.format(Math.max(limit - used, 0))}` });
}
