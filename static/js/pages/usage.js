// 用量: keeps the figures up to date, and runs commands on unresolved records.

import { apply, replaceContent, show } from "../core/dom.js";
import { attempt, fetchHtmlIfChanged, requestJson } from "../core/http.js";
import { runAction } from "../records/actions.js";
import { readAmount, writeAmount } from "../core/amounts.js";
import { _ } from "../core/i18n.js";
import { LiveList } from "../ui/live_list.js";
import { showToast } from "../ui/toast.js";

const MIN_INTERVAL_MS = 2000; // between two loads while a batch runs
const REST = 10; // times as long as a load took
const NEAR = 0.8; // of a budget
const yuan = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });

const page = document.querySelector("[data-usage]");
const budgets = bindBudgets(page.querySelector("[data-budgets]"));
let timer = 0;
let restsUntil = 0;
let isChoosing = false; // the list of groups may be open

/** The focus stays on its button or list, or goes to the title of the list. */
class Figures extends LiveList {
  get isHeld() { return isChoosing; } // the list would close
  get part() { return this.page.querySelector("[data-part]"); }

  load(_how, memory) {
    return fetchHtmlIfChanged(this.page.dataset.liveUrl, memory);
  }

  show({ html }) {
    const hadFocus = document.activeElement?.matches("[data-groups-by]");
    replaceContent(this.part, html);
    if (hadFocus) this.part.querySelector("[data-groups-by]")?.focus({ preventScroll: true });
  }
}

const figures = new Figures({ page });

/** Show another chart, or other groups; the address, the ranges and the form of the dates keep the choice. */
function choose(name, value) {
  const withChoice = (address) => {
    const url = new URL(address, location.href);
    url.searchParams.set(name, value);
    return url.href;
  };
  for (const link of page.querySelectorAll("[data-range]")) link.href = withChoice(link.href);
  show(page, { [`.usage-days [name=${name}]`]: { value } });
  if (name === "by") show(page, { "[data-range=last_month]:not([aria-current])": { hidden: !value.startsWith("column:") } });
  page.dataset.liveUrl = withChoice(page.dataset.liveUrl);
  return figures.navigate({ url: withChoice(location.href), history: "replace" });
}

/** Load the figures; without an answer the next change loads again. */
async function refresh() {
  clearTimeout(timer);
  timer = 0;
  budgets.refresh();
  const began = performance.now();
  await attempt(() => figures.refresh(), () => null);
  restsUntil = performance.now() + Math.max(MIN_INTERVAL_MS, REST * (performance.now() - began));
}

document.addEventListener("status", ({ detail }) => {
  const version = Number(figures.part.firstElementChild.dataset.version);
  if (detail.version !== version) timer ||= setTimeout(refresh, restsUntil - performance.now());
});
document.addEventListener("records-resolved", refresh);
page.addEventListener("click", (event) => {
  const { target } = event;
  const choice = target.closest("[data-chart]");
  if (choice && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    choose("chart", choice.dataset.chart);
  }
  const button = target.closest("[data-command]");
  if (button) runAction(button);
});
page.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-groups-by]")) return;
  isChoosing = false;
  choose("by", target.value);
});
for (const [event, chooses] of [["pointerdown", true], ["keydown", true], ["focusout", false]]) {
  page.addEventListener(event, ({ target }) => {
    if (target.matches("[data-groups-by]")) isChoosing = chooses;
  });
}
page.dataset.ready = "";

// The budgets of 用量: a field is saved when it is left or Enter is pressed; the figures follow the ledger.

/** Returns {refresh()}, which loads the figures. */
function bindBudgets(section) {
  const { url } = section.dataset;
  const items = [...section.querySelectorAll("[data-scope]")];

  function render({ budgets, spent, mine }) {
    const own = section.querySelector("[data-mine]");
    if (own && mine) show(own, { progress: { value: mine.limit > 0 ? Math.min(mine.spent / mine.limit, 1) * 100 : 100 }, "[data-spent]": spentText(mine.limit, mine.spent) });
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
