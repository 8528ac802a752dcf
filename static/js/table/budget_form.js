// A run that a budget paused: raise that budget, and continue.

import { readAmount, writeAmount } from "../core/amounts.js";
import { show } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

const LABELS = { total: _("总预算改成 ¥"), month: _("本月预算改成 ¥"), batch: _("每批预算改成 ¥") };

/** url: of the budgets; resume() resolves to whether the run goes on. Returns {open(batch), follow(batch): close it where nothing is to be raised}. */
export function makeBudgetForm(form, { url, resume }) {
  const input = form.querySelector("[data-budget-amount]");
  let batch = null;
  let scope = "";

  function follow(current) {
    const isOver = isPausedByBudget(batch) && !isPausedByBudget(current); // as it was opened it may be older than what the head says
    batch = current;
    if (isOver) close();
  }

  function close() {
    const hadFocus = form.contains(document.activeElement);
    form.hidden = true;
    if (hadFocus) document.querySelector('[data-command="more"]').focus();
  }

  function open(current) {
    form.hidden = false;
    batch = current;
    input.focus();
    return load();
  }

  // The budget that leaves the least, and what the rest of the run needs of it. Until that is known nothing is typed.
  function load() {
    input.readOnly = true;
    return attempt(async () => propose(await requestJson("GET", `${url}?batch_id=${encodeURIComponent(batch.id)}`)), showError);
  }

  function propose({ budgets, spent }) {
    input.readOnly = false;
    const [least] = Object.keys(LABELS).filter((name) => budgets[name] !== null)
      .sort((one, other) => budgets[one] - spent[one] - (budgets[other] - spent[other]));
    if (!least) return;
    scope = least;
    const rest = batch.estimated_cost / batch.total * (batch.counts.queued + batch.counts.held);
    input.value = writeAmount(Math.max(Math.ceil(spent[scope] + rest), budgets[scope]));
    show(form, { "[data-budget-label]": LABELS[scope] });
    showError("");
  }

  async function submit() {
    showError("");
    if (input.readOnly) return load();
    show(form, { "[data-budget-submit]": { disabled: true } });
    await attempt(async () => {
      await requestJson("PUT", url, { [scope]: readAmount(input.value) });
      if (await resume()) close();
      else await load(); // another budget is reached too
    }, showError);
    show(form, { "[data-budget-submit]": { disabled: false } });
    return undefined;
  }

  const showError = (text) => show(form, { "[data-budget-error]": text, "[data-budget-amount]": { ariaInvalid: text ? "true" : null } });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  return { open, follow };
}

const isPausedByBudget = ({ status, paused_cause: cause }) => status === "paused" && cause === "budget";
