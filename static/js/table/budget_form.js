// A run that a budget paused: raise that budget, and continue.

import { readAmount, writeAmount } from "../core/amounts.js";
import { show } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

const LABELS = { total: _("总预算改成 ¥"), month: _("本月预算改成 ¥"), batch: _("每批预算改成 ¥") };

/** form: of the strip of a run. url: of the budgets; resume() resolves to whether the run goes on. Returns {show(batch)}. */
export function makeBudgetForm(form, { url, resume }) {
  const input = form.querySelector("[data-budget-amount]");
  let batch = null;
  let answered = ""; // the reason that the form answers
  let scope = "";

  function follow(current) {
    batch = current;
    const { status, paused_cause: cause, paused_reason: reason, estimated_cost: cost } = batch;
    form.hidden = !(status === "paused" && cause === "budget" && cost !== null); // without a price no budget helps
    if (form.hidden) answered = "";
    else if (reason !== answered) load();
  }

  // The budget that leaves the least, and what the rest of the run needs of it. Until that is known nothing is typed.
  function load() {
    answered = batch.paused_reason;
    input.readOnly = true;
    return attempt(async () => propose(await requestJson("GET", `${url}?batch_id=${encodeURIComponent(batch.id)}`)), (text) => {
      answered = "";
      showError(text);
    });
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
      if (!await resume()) await load(); // another budget is reached too
    }, showError);
    show(form, { "[data-budget-submit]": { disabled: false } });
    return undefined;
  }

  const showError = (text) => show(form, { "[data-budget-error]": text, "[data-budget-amount]": { ariaInvalid: text ? "true" : null } });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  return { show: follow };
}
