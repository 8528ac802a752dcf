// Commands on records, each once: for one record, for several, and for all that a filter finds or that are unresolved.

import { pickAll, togglePick } from "../viewer/picks.js";
import { removeKeepingFocus } from "../core/dom.js";
import { LONG_TIMEOUT, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { announceOrder, postOnce } from "../core/orders.js";
import { DRAFT, loadItem, updateDraft } from "../core/storage.js";
import { ask } from "../ui/ask.js";
import { loadDetails } from "../viewer/details.js";
import { download } from "../ui/downloads.js";
import { runInPlace } from "../ui/in_place.js";
import { copyText, offerUndo, showToast } from "../ui/toast.js";

const COMMANDS = {
  again: (_target, { record }) => generateAgain(record),
  edit,
  reference: useAsReference,
  link: copyLink,
  records: ({ ids: [id] }) => location.assign(`${urls().recordsUrl}?record=${id}`),
  delete: (target, context) => deleteRecords(target, context, _("已删除")),
  restore,
  keep: (target, context) => choose(target, "keep", context),
  reject: (target, context) => choose(target, "reject", context),
  unpick: (target, { page }) => pickAll(target, null, page.changed),
  deliver: async (target) => (await import("../delivery/dialog.js")).openDelivery(recordsOf(target)),
  archive: (target) => download(urls().archiveUrl, target),
  export: (target) => download(urls().exportUrl, target),
  retry,
  resume,
  cancel,
  "fetch-result": (target) => fetchResult(target),
  resubmit: (target, { button }) => resubmit(target, chargeOf(button)),
  "write-off": (target, { button }) => writeOff(target, chargeOf(button)),
};

/** What a page may do otherwise: show what changed. */
const DEFAULT_PAGE = {
  deletedMessage: (label) => label,
  /** A deletion begins. Returns removed() and restored(count), called after it and after its undoing. */
  deleting: (_target, record) => removeAndPutBack(record),
  /** `count` records came out of the trash. */
  restored: () => null,
  changed: () => null,
};

/**
 * Run a command. target: {ids}, {filter} or {all: true}, as the API takes it; record: its element, when it is one;
 * button: the one pressed; page: overrides of DEFAULT_PAGE. Rejects with HttpError.
 */
export async function runCommand(name, target, { record, button, page } = {}) {
  await COMMANDS[name](target, { record, button, page: { ...DEFAULT_PAGE, ...page } });
}

/** Run the command of a button on the record around it, else on a whole request of 单图生成, or on all unresolved ones of [data-unresolved]. */
export async function runAction(button, page) {
  const record = button.closest("[data-record-id]");
  const target = record ? targetOf(record) : { all: true };
  const owner = record ?? button.closest("[data-unresolved], [data-request-key]");
  await runInPlace(owner, () => runCommand(button.dataset.command, target, { record, button, page }), button, button.dataset.command);
}

/** {ids} of one record's element. */
export function targetOf(record) {
  return { ids: [Number(record.dataset.recordId)] };
}

// Another image, another prompt

async function generateAgain(record) {
  const { request } = await loadDetails(record);
  const rows = [{ ...request, num_images: 1, seed: null }];
  const answered = postOnce(urls().createUrl, { source: "single", rows }, { about: record.dataset.recordId });
  announceOrder({ request: rows[0], answered });
  const { records } = await answered;
  const show = () => document.querySelector(`[data-record-id="${records[0]}"]`)?.scrollIntoView({ block: "center" });
  if (isStudio()) return void showToast(_("已开始生成 1 张"), { label: _("去看"), run: show });
  document.dispatchEvent(new Event("poll-now"));
  showToast(_("已开始生成 1 张"), openStudio(_("去看")));
}

async function edit(_target, { record }) {
  if (!isStudio()) return location.assign(`${urls().studioUrl}?from=${record.dataset.recordId}`);
  const { request } = await loadDetails(record);
  return document.dispatchEvent(new CustomEvent("apply-request", { detail: { ...request, num_images: 1 } }));
}

async function useAsReference({ ids: [id] }) {
  return isStudio() ? addReference(id) : addReferenceToDraft(id);
}

async function addReference(id) {
  const add = (image) => document.dispatchEvent(new CustomEvent("add-reference", { detail: image, cancelable: true }));
  if (!add(null)) return; // there are enough: the form says so
  if (add(await uploadReference(id))) showToast(_("已加入参考图"));
}

async function addReferenceToDraft(id) {
  const { maxReferences: most, referenceProblem } = document.querySelector("image-lightbox").dataset;
  if (referenceProblem) return showToast(referenceProblem);
  const imagesOf = (draft) => draft?.sample_images ?? [];
  const hasRoom = (draft) => imagesOf(draft).length < most;
  const image = hasRoom(loadItem(DRAFT)) && await uploadReference(id);
  const isAdded = image && updateDraft((draft) => hasRoom(draft) && { ...draft, sample_images: [...imagesOf(draft), image] });
  if (isAdded) return showToast(_("已加入「单图生成」的参考图"), openStudio(_("去生成")));
  return showToast(_("「单图生成」里已有 {most} 张参考图，请先移除一张", { most }), openStudio(_("去看")));
}

async function uploadReference(id) {
  const { images } = await requestJson("POST", urls().referenceUrl, { record_id: id });
  return images[0];
}

async function copyLink({ ids: [id] }) {
  const { href } = new URL(`${urls().recordsUrl}?record=${id}`, location.href);
  showToast((await copyText(href)) ? _("已复制这条记录的链接") : _("请手动复制：{href}", { href }));
}

/** What the dialog of 交付 takes; the records of a filter are looked up. */
async function recordsOf({ ids, filter }) {
  const query = new URLSearchParams(filter);
  const url = document.querySelector("[data-ids-url]")?.dataset.idsUrl;
  const records = ids ?? (await requestJson("GET", `${url}?${query}`, null, LONG_TIMEOUT)).ids;
  return { records, title: _("选中的 {n} 张", { n: records.length }) };
}

// Choice and trash

function choose(target, pick, { record, page }) {
  return record ? togglePick(record, pick) : pickAll(target, pick, page.changed);
}

async function deleteRecords(target, { record, page }, label) {
  const { removed, restored } = page.deleting(target, record);
  const { deleted, undo } = await requestJson("POST", urls().deleteUrl, target);
  await removed();
  document.dispatchEvent(new CustomEvent("records-deleted", { detail: target.ids ?? [] }));
  if (!deleted) return showToast(_("没有删除：可能已经删掉了，或还在生成中"));
  return offerUndo(page.deletedMessage(label, deleted), async () => {
    const { restored: count } = await requestJson("POST", urls().restoreUrl, { undo });
    await restored(count);
    document.dispatchEvent(new Event("records-restored"));
  });
}

async function restore(target, { page }) {
  const { restored: count } = await requestJson("POST", urls().restoreUrl, target);
  await page.restored(count, target);
}

/** Before the page hears of it, its place is marked; what came back may be there already. */
function removeAndPutBack(record) {
  const marker = document.createComment("");
  record.before(marker);
  return {
    removed: () => removeKeepingFocus(record, [...record.closest("[data-lightbox-scope]")?.querySelectorAll("[data-record-id]") ?? []]), // gone where the large view was left
    restored() {
      record.querySelector("[data-error]")?.replaceChildren();
      if (!document.querySelector(`[data-record-id="${record.dataset.recordId}"]`)) marker.replaceWith(record);
      record.querySelector("a, button")?.focus();
    },
  };
}

// The queue

async function retry(target, { record, button: { dataset }, page }) {
  if ("charged" in dataset && !await confirmRetryCost({ sum: dataset.charged, isCharged: true })) return;
  const { batch } = await postOnce(record.dataset.retryUrl, { records: target.ids });
  if (batch.status === "paused") showToast(_("已重新排队，批次继续后开始"));
  document.dispatchEvent(new Event("poll-now"));
  await page.changed();
}

async function resume(_target, { button }) {
  await requestJson("POST", button.dataset.url);
  document.dispatchEvent(new Event("poll-now"));
}

/** data-url cancels one image, or all of a request; the offer to undo goes with its message. */
async function cancel(_target, { record, button }) {
  const { cancelled, undo, was_paused: paused } = await requestJson("POST", button.dataset.url);
  document.dispatchEvent(new Event("poll-now"));
  const message = _("已取消 {n} 张，没有计费", { n: cancelled });
  offerUndo(message, () => uncancel((record ?? button).dataset.uncancelUrl, { records: undo, paused }), { whileShown: true });
}

async function uncancel(url, body) {
  const { records } = await requestJson("POST", url, body);
  showToast(_("{n} 张已重新排队", { n: records }));
  document.dispatchEvent(new Event("poll-now"));
}

function chargeOf({ dataset: { count = 1, atStake, collectable } }) {
  return { count: Number(count), atStake, isCollectable: collectable !== undefined };
}

function isStudio() {
  return Boolean(document.querySelector("[data-studio-form]"));
}

function openStudio(label) {
  return { label, run: () => location.assign(urls().studioUrl) };
}

function urls() {
  return document.body.dataset;
}

// Records whose charge is unresolved: fetch the result, order again, or write them off. target: {ids} or {all: true}.
// Dispatches "records-resolved" on document.

/** Ask the service again for what was ordered; costs nothing. */
async function fetchResult(target) {
  const { records } = await requestJson("POST", urls().fetchResultUrl, target);
  showToast(_("正在取回 {n} 张，不会再下单", { n: records }));
  announceResolved();
}

/** Order again, after a confirmation of the cost. isCollectable: the result could be fetched instead. */
async function resubmit(target, { count = 1, atStake, isCollectable = false }) {
  const advice = isCollectable ? _("这张有任务编号，先取回不花钱。") : _("请先查看服务商的账单。");
  if (!await confirmRetryCost({ count, sum: atStake, more: advice })) return;
  const { records, waiting } = await postOnce(urls().resubmitUrl, target);
  showToast(waiting ? _("{n} 张已排队，其中 {waiting} 张的批次暂停着，要到批次里按「继续」", { n: records, waiting }) : _("{n} 张已重新排队", { n: records }));
  announceResolved();
}

/** Give up, after the question whether it is on the bill; can be undone. */
async function writeOff(target, { count = 1, atStake }) {
  const billed = await confirmBilled(count, atStake);
  if (billed === null) return;
  const { records, undo } = await requestJson("POST", urls().writeOffUrl, { ...target, billed });
  const message = billed ? _("已记下：{n} 张，账单里有", { n: records }) : _("已记下：{n} 张，账单里没有", { n: records });
  offerUndo(message, () => undoWriteOff(undo));
  announceResolved();
}

async function undoWriteOff(undo) {
  const { records } = await requestJson("POST", urls().undoWriteOffUrl, { undo });
  showToast(records ? _("已撤销，{n} 张又是结果未知", { n: records }) : _("已经撤销过了"));
  announceResolved();
}

/** Resolves to true, false, or null for no answer. */
async function confirmBilled(n, sum) {
  const priced = () => (n > 1 ? _("这 {n} 笔（¥{sum}）在服务商账单里吗？", { n, sum }) : _("这一笔（¥{sum}）在服务商账单里吗？", { sum }));
  const unpriced = () => (n > 1 ? _("这 {n} 笔（价格未设）在服务商账单里吗？", { n }) : _("这一笔（价格未设）在服务商账单里吗？"));
  const choice = await ask({
    name: "billing", title: sum ? priced() : unpriced(), close: _("再想想"),
    text: _("放弃后不再取回，也不会重新下单。是否计入费用以你的选择为准，可以撤销；不确定就先别选。"),
    choices: [{ label: _("账单里没有"), how: "not-billed" }, { label: _("账单里有"), how: "billed" }],
  });
  return choice && choice.how === "billed";
}

function announceResolved() {
  document.dispatchEvent(new Event("records-resolved"));
  document.dispatchEvent(new Event("poll-now"));
}

// Confirmation before money is spent.

/** Ask before images that were or may have been charged are submitted again: `sum` in CNY, empty when unknown; `more` is added to the text. */
async function confirmRetryCost({ count = 1, sum, isCharged = false, more = "" }) {
  const withSum = () => (isCharged ? _("上一次已经计费 ¥{sum}，重新下单会再花一次钱，约 ¥{sum}。", { sum }) : _("上一次可能已经计费 ¥{sum}，重新下单会再花一次钱，约 ¥{sum}。", { sum }));
  const withoutSum = () => (isCharged ? _("上一次已经计费，重新下单会再花一次钱，价格未设。") : _("上一次可能已经计费，重新下单可能再花一次钱，价格未设。"));
  const isAgreed = await ask({
    name: "cost",
    title: count > 1 ? _("这 {n} 张重新下单？", { n: count }) : _("重新下单？"),
    text: (sum ? withSum() : withoutSum()) + more,
    choices: [{ label: count > 1 ? _("仍要重新下单 {n} 张", { n: count }) : _("仍要重新下单"), isPrimary: true }],
  });
  return Boolean(isAgreed);
}
