// 用量: keeps the figures up to date, and runs commands on unresolved records.

import { replaceContent } from "../core/dom.js";
import { fetchHtmlIfChanged } from "../core/http.js";
import { runAction } from "../records/actions.js";
import { bindBudgets } from "../usage/budgets.js";

const MIN_INTERVAL_MS = 2000; // between two loads while a batch runs

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
  const addresses = [...page.querySelectorAll(".usage-ranges a")];
  for (const link of addresses) link.href = withChart(link.href, chart);
  page.querySelector(".usage-days [name=chart]").value = chart;
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
