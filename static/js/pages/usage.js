// 用量: keeps the figures up to date, and runs commands on unresolved records.

import { apply, replaceContent, show } from "../core/dom.js";
import { attempt, fetchHtmlIfChanged, requestJson } from "../core/http.js";
import { runAction } from "../records/actions.js";
import { readAmount, writeAmount } from "../core/amounts.js";
import { _ } from "../core/i18n.js";
import { showToast } from "../ui/toast.js";

const MIN_INTERVAL_MS = 2000; // between two loads while a batch runs
const NEAR = 0.8; // of a budget
const yuan = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });

const page = document.querySelector("[data-usage]");
const summary = page.querySelector("[data-part]");
const budgets = bindBudgets(page.querySelector("[data-budgets]"));
let version = versionShown();
let shownHtml = "";
let timer = 0;
let isResting = false;

function versionShown() {
  return Number(summary.firstElementChild.dataset.version);
}

/** Load the figures; the focus stays on its button, or goes to the title of the list. */
async function refresh() {
  clearTimeout(timer);
  timer = 0;
  budgets.refresh();
  const { liveUrl } = page.dataset;
  const news = await fetchHtmlIfChanged(liveUrl, {}).catch(() => null);
  if (!news || news.html === shownHtml) return; // no answer: the next change loads again; no change: buttons stay
  if (liveUrl !== page.dataset.liveUrl) return; // another chart was chosen since
  shownHtml = news.html;
  replaceContent(summary, news.html);
  version = versionShown();
}

/** Show the other chart; the address, the ranges and the form of the dates keep the choice. */
async function chooseChart({ href, dataset: { chart } }) {
  for (const link of page.querySelectorAll(".usage-ranges a")) link.href = withChart(link.href, chart);
  show(page, { ".usage-days [name=chart]": { value: chart } });
  page.dataset.liveUrl = withChart(page.dataset.liveUrl, chart);
  history.replaceState(null, "", href);
  await refresh();
}

function withChart(address, chart) {
  const url = new URL(address, location.href);
  url.searchParams.set("chart", chart);
  return url.href;
}

document.addEventListener("status", ({ detail }) => {
  if (detail.version === version || timer) return;
  timer = setTimeout(refresh, isResting ? MIN_INTERVAL_MS : 0);
  isResting = true;
  setTimeout(() => (isResting = false), MIN_INTERVAL_MS);
});
document.addEventListener("records-resolved", refresh);
page.addEventListener("click", (event) => {
  const { target } = event;
  const choice = target.closest("[data-chart]");
  if (choice && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    chooseChart(choice);
  }
  const button = target.closest("[data-command]");
  if (button) runAction(button);
});
page.dataset.ready = "";

// The budgets of 用量: a field is saved when it is left or Enter is pressed; the figures follow the ledger.

/** Returns {refresh()}, which loads the figures. */
function bindBudgets(section) {
  const { url } = section.dataset;
  const items = [...section.querySelectorAll("[data-scope]")];

  function render({ budgets, spent }) {
    for (const item of items) {
      const { scope } = item.dataset;
      const [limit, used, isKnown] = [budgets[scope], spent[scope] ?? 0, scope in spent];
      apply(item, { classes: { "is-near": limit !== null && used >= NEAR * limit && isKnown } });
      show(item, {
        ...(item.contains(document.activeElement) ? {} : { input: { value: limit === null ? "" : writeAmount(limit) } }),
        progress: { hidden: limit === null || !isKnown, value: limit > 0 ? Math.min(used / limit, 1) * 100 : 100 },
        ...(isKnown && { "[data-spent]": spentText(limit, used) }),
      });
    }
  }

  async function save(item) {
    const input = item.querySelector("input");
    const say = (sentence) => show(item, { "[data-error]": sentence, input: { ariaInvalid: sentence ? "true" : null } });
    show(item, { "[data-error]": "" });
    await attempt(async () => { // what is no number is sent as it is: the server says what is expected
      render(await requestJson("PUT", url, { [item.dataset.scope]: readAmount(input.value) }));
      say("");
      showToast(_("预算已保存"));
      document.dispatchEvent(new Event("poll-now"));
    }, say);
  }

  section.addEventListener("change", ({ target }) => save(target.closest("[data-scope]")));
  return { refresh: () => requestJson("GET", url).then(render, () => {}) }; // without an answer the next change loads again
}

function spentText(limit, used) {
  const spent = `¥${yuan.format(used)}`;
  if (limit === null) return _("已用 {spent}", { spent });
  return _("已用 {spent}，还剩 {left}", { spent, left: `¥${yuan.format(Math.max(limit - used, 0))}` });
}
