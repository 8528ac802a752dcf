// A batch that a budget paused: raise that budget, and continue.

import { readAmount, writeAmount } from "../core/amounts.js";
import { parseHtml } from "../core/dom.js";
import { messageOf, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";

const LABELS = { total: _("总预算改成 ¥"), month: _("本月预算改成 ¥"), batch: _("每批预算改成 ¥") };

/** Keep a form below the notice of a run. url: of the budgets; resume() resolves to null when it is refused. Returns {show(batch)}. */
export function makeBudgetForm(notice, { url, resume }) {
  const form = createForm();
  const part = (name) => form.querySelector(`[data-${name}]`);
  const input = part("amount");
  let batch = null;
  let shown = ""; // the reason that the form answers
  let scope = "";
  notice.after(form);

  function show(current) {
    batch = current;
    const { status, paused_cause: cause, paused_reason: reason, estimated_cost: cost } = batch;
    form.hidden = !(status === "paused" && cause === "budget" && cost !== null); // without a price no budget helps
    if (form.hidden) shown = "";
    else if (reason !== shown) load();
  }

  // The budget that leaves the least, and what the rest of the batch needs of it. Until that is known nothing is typed.
  async function load() {
    shown = batch.paused_reason;
    input.readOnly = true;
    try {
      propose(await requestJson("GET", `${url}?batch_id=${encodeURIComponent(batch.id)}`));
    } catch (failure) {
      shown = "";
      showError(messageOf(failure));
    }
  }

  function propose({ budgets, spent }) {
    input.readOnly = false;
    const [least] = Object.keys(LABELS).filter((name) => budgets[name] !== null)
      .sort((one, other) => budgets[one] - spent[one] - (budgets[other] - spent[other]));
    if (!least) return;
    scope = least;
    const rest = batch.estimated_cost / batch.total * (batch.counts.queued + batch.counts.held);
    part("label").textContent = LABELS[scope];
    input.value = writeAmount(Math.max(Math.ceil(spent[scope] + rest), budgets[scope]));
    showError("");
  }

  async function submit() {
    showError("");
    if (input.readOnly) return load();
    part("submit").disabled = true;
    try {
      await requestJson("PUT", url, { [scope]: readAmount(input.value) });
      if (!await resume()) await load(); // another budget is reached too
    } catch (failure) {
      showError(messageOf(failure));
    }
    part("submit").disabled = false;
    return undefined;
  }

  function showError(text) {
    part("error").textContent = text;
    input.toggleAttribute("aria-invalid", text !== "");
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  return { show };
}

function createForm() {
  const form = parseHtml(`<form class="run-budget" hidden>
    <label for="run-budget" data-label></label>
    <input class="input" id="run-budget" inputmode="decimal" autocomplete="off" required data-amount>
    <button class="button is-small is-primary" type="submit" data-submit></button>
    <span class="field-error" role="alert" data-error></span></form>`).firstElementChild;
  form.querySelector("[data-submit]").textContent = _("改好并继续");
  return form;
}
