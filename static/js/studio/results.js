// The result cards of 单图生成: loaded when they change, with their commands.

import { mergeRequests, removesCards } from "./requests.js";
import { bindUnmade } from "./unmade.js";
import { copyOf, show } from "../core/dom.js";
import { HttpError, fetchHtmlIfChanged, messageOf } from "../core/http.js";
import { _, formatElapsed } from "../core/i18n.js";
import { poll } from "../core/poll.js";
import { runAction, runCommand, targetOf } from "../records/actions.js";
import { runInPlace } from "../ui/in_place.js";
import { bindListKeys } from "../ui/list_keys.js";
import "../ui/picture_size.js";
import { Selection } from "../ui/selection.js";
import { budgetLeft } from "../ui/status.js";
import { announce, showToast } from "../ui/toast.js";

const MIN_EXPECTED = 3; // seconds; what is faster needs no estimate

export function makeResults(section) {
  const list = section.querySelector("[data-result-list]");
  section.addEventListener("click", onClick);
  section.addEventListener("error", ({ target }) => (target.alt = _("加载失败")), { capture: true });
  customElements.define("elapsed-time", ElapsedTime);

  const awaited = new Set(); // ids of records under way
  const updateUnmade = bindUnmade(section, list);
  const selection = makeSelection(section, list);
  function update() {
    showExpected(list);
    announceEnd(list, awaited);
    updateUnmade();
    selection.refresh();
  }

  update();
  document.addEventListener("records-deleted", () => selection.refresh());
  if (section.dataset.liveUrl) pollResults(section, { list, awaited, update });
}

/** Pictures that are selected, and the keys of the list. */
function makeSelection(section, list) {
  const page = {
    deletedMessage: (_label, n) => _("已删除 {n} 张", { n }),
    deleting: removesCards(list),
    changed: () => document.dispatchEvent(new Event("poll-now")),
  };
  const selection = new Selection(section, {
    item: "[data-record-id]",
    held: ".is-selectable",
    label(cards) {
      const isEachKept = cards.length > 0 && cards.every(({ dataset }) => dataset.pick === "keep");
      show(selection.bar, {
        "[data-keep-selected]": { data: { command: isEachKept ? "unpick" : "keep" } }, "[data-keep-selected] span": isEachKept ? _("取消留下") : _("留下"),
      });
      return cards.length ? _("已选 {n} 张", { n: cards.length }) : _("点图片选择");
    },
    run: (name) => runCommand(name, { ids: selection.ids().map(Number) }, { page }),
  });
  bindListKeys(section, {
    item: "[data-records] [data-record-id]",
    selection,
    commands: { p: "keep", x: "reject", Delete: "delete" },
    run: (name, record) => runInPlace(record, () => runCommand(name, targetOf(record), { record }), null, name),
    isOffered: (name, record) => name === "delete" || record.querySelector("[data-image-url]"),
  });
  return selection;
}

function onClick(event) {
  const button = event.target.closest("[data-command]");
  if (!button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  runAction(button);
}

/** Load changed cards whenever the server's status has a version that was not loaded. */
function pollResults(section, { list, awaited, update }) {
  let since = Number(section.dataset.since);
  let loaded = null;

  async function load(memory) {
    const news = await fetchHtmlIfChanged(`${section.dataset.liveUrl}?since=${since}`, memory);
    if (!news) return;
    mergeRequests(list, news.html);
    update();
    since = Number(news.version) || since;
  }

  const { now } = poll(load, {
    isPaused: () => false,
    onError(error) {
      loaded = null; // the top bar says that the server does not answer; the next status loads again
      if (!(error instanceof HttpError)) showToast(messageOf(error));
    },
  });

  let budget = budgetLeft();
  document.addEventListener("status", ({ detail: { version } }) => {
    if (budgetLeft() !== budget) forgetBudgetPauses(list);
    budget = budgetLeft();
    if (version === loaded) return;
    loaded = version;
    now();
  });
  document.addEventListener("order-posted", async ({ detail: { request, answered, isFromForm } }) => {
    const placeholder = createPlaceholder(section, request);
    list.prepend(placeholder);
    if (isFromForm) window.scrollTo({ top: matchMedia("(width < 900px)").matches ? section.offsetTop - 56 : 0 });
    const { records } = await answered.catch(() => ({ records: [] })); // why it failed stands where it was pressed
    for (const id of records) awaited.add(String(id));
    if (records.length) await now();
    placeholder.remove();
    if (records.length) document.dispatchEvent(new Event("poll-now"));
  });
}

/** A budget that was changed is no longer why a request is paused; its button says what is wrong then. */
function forgetBudgetPauses(list) {
  for (const pause of list.querySelectorAll("[data-budget-pause]")) pause.textContent = pause.dataset.budgetPause;
}

/** What stands for a request until it is answered. */
function createPlaceholder(section, { prompt, aspect_ratio: ratio, num_images: count }) {
  const group = copyOf(section.querySelector("[data-placeholder]"), { h2: prompt, ".result-card": { data: { ratio } } });
  const card = group.querySelector(".result-card");
  card.after(...Array.from({ length: Number(count) - 1 }, () => card.cloneNode(true)));
  return group;
}

/** Add the records under way to `awaited`; when none is left, announce how those went. */
function announceEnd(list, awaited) {
  const unfinished = list.querySelectorAll('[data-status="queued"], [data-status="running"]');
  for (const { dataset } of unfinished) awaited.add(dataset.recordId);
  const ends = [...list.querySelectorAll("[data-record-id]")].filter(({ dataset }) => awaited.has(dataset.recordId)).map(({ dataset }) => dataset.status);
  if (unfinished.length || !ends.length) return;
  const failed = ends.filter((status) => status === "failed" || status === "unknown").length;
  awaited.clear();
  if (failed) announce(_("图片都已结束，其中 {failed} 张失败", { failed }));
  else if (ends.includes("success")) announce(_("图片都做好了"));
}

/** Running records are expected to take as long as the median of the latest five. */
function showExpected(list) {
  const durations = [...list.querySelectorAll("[data-finished-at]")].slice(0, 5).map(secondsTaken).sort((a, b) => a - b);
  const median = durations[Math.floor(durations.length / 2)];
  if (!(median >= MIN_EXPECTED)) return;
  for (const element of list.querySelectorAll("elapsed-time")) element.setAttribute("expected", median);
}

function secondsTaken({ dataset }) {
  return (Date.parse(dataset.finishedAt) - Date.parse(dataset.startedAt)) / 1000;
}

// <elapsed-time since="2026-11-24T06:05:00Z">: the seconds since then, counted while it is in the page.
// With `expected`, the seconds that it usually takes, it says so and moves the progress bar of its card.

class ElapsedTime extends HTMLElement {
  static observedAttributes = ["expected"];

  connectedCallback() {
    this.timer = setInterval(() => this.render(), 1000);
    this.render();
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  attributeChangedCallback() {
    if (this.isConnected) this.render();
  }

  render() {
    const elapsed = Math.max(0, Math.floor((Date.now() - Date.parse(this.getAttribute("since"))) / 1000));
    const expected = Number(this.getAttribute("expected"));
    this.textContent = formatElapsed(elapsed);
    if (!expected) return;
    this.textContent += _("，一般 {seconds} 秒", { seconds: Math.round(expected) });
    show(this.closest("[data-record-id]"), { progress: { max: expected, value: Math.min(elapsed, expected * 0.95) } });
  }
}
