// What is done to records, one or many: into the trash and out again, favourites, ZIP, Excel; and to one:
// again, use as reference. Fetched when first needed.

import { requestJson, refusalOf } from "../core/http.js";
import { _, language } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { DRAFT, updateDraft, loadItem } from "../core/storage.js";
import { urlWith } from "./viewer.js";
import { copyText, showError, offerUndo, showToast } from "../ui/messages.js";

const FRAME = "download";

/** Returns do(name, chosen, {record, button}) for a page, its finder and its selection. */
export function makeBulkActions(page, finder, selection) {
  const { deleteUrl, restoreUrl, favouriteUrl, archiveUrl, exportUrl, createUrl, uploadUrl, studioUrl } = page.dataset;
  const count = (number) => number.toLocaleString(language);

  async function remove(chosen, word = _("已删除")) {
    const { deleted, undo } = await requestJson("POST", deleteUrl, chosen);
    selection.forget(chosen);
    unname(chosen);
    await finder.reload();
    if (deleted) offerUndo(_("{word} {count} 条", { word, count: count(deleted) }), () => takeBack(undo, chosen));
    else showToast(_("没有删除：可能已经删掉了，或还在生成中"));
  }

  async function bringBack(body) {
    const { restored } = await requestJson("POST", restoreUrl, body);
    await finder.reload();
    showToast(_("已恢复 {count} 条", { count: count(restored) }));
  }

  /** The large view and the comparison show what came back. */
  async function takeBack(undo, { ids = [] }) {
    await bringBack({ undo });
    page.dispatchEvent(new CustomEvent("records-restored", { detail: ids }));
  }

  async function restore(chosen) {
    unname(chosen);
    await bringBack(chosen);
    selection.forget(chosen);
  }

  /** The address names no record that leaves the list: it would stand above it as one from elsewhere. */
  function unname({ ids }) {
    const id = Number(new URLSearchParams(location.search).get("record"));
    if (!ids?.includes(id) || finder.list().querySelector("[data-permalink]")) return;
    history.replaceState(null, "", urlWith({ record: "" }));
  }

  async function keep(chosen, favourite) {
    const { changed } = await requestJson("POST", favouriteUrl, { ...chosen, favourite });
    await finder.reload();
    return changed;
  }

  async function toggle(_chosen, { record }) {
    const on = !("favourite" in record.dataset);
    mark(record, on);
    try {
      await requestJson("POST", favouriteUrl, { ids: [Number(record.dataset.recordId)], favourite: on });
    } catch (failure) {
      mark(record, !on);
      throw failure;
    }
  }

  async function again(_chosen, { record }) {
    const asked = JSON.parse(record.dataset.request);
    const rows = [{ ...asked, num_images: 1, seed: null }];
    await postOnce(createUrl, { source: "single", rows }, { about: record.dataset.recordId });
    document.dispatchEvent(new Event("poll-now"));
    showToast(_("已开始生成 1 张"), { label: _("去看"), run: () => location.assign(studioUrl) });
  }

  async function reference(_chosen, { record }) {
    const { max_references: max, local_reference_problem: problem } = JSON.parse(page.dataset.modelSpec);
    if (problem) return showToast(problem);
    const most = Math.min(4, max);
    const hasRoom = (draft) => (draft?.sample_images ?? []).length < most;
    const uploaded = hasRoom(loadItem(DRAFT)) && await requestJson("POST", uploadUrl, { record_id: Number(record.dataset.recordId) });
    const taken = uploaded && updateDraft((draft) => hasRoom(draft) && { ...draft, sample_images: [...(draft.sample_images ?? []), uploaded.images[0]] });
    if (taken) return showToast(_("已加入「单图生成」的参考图"), { label: _("去生成"), run: () => location.assign(studioUrl) });
    return showToast(_("「单图生成」里已有 {most} 张参考图，请先移除一张", { most }), { label: _("去看"), run: () => location.assign(studioUrl) });
  }

  const deeds = {
    delete: (chosen) => remove(chosen),
    reject: (chosen) => remove(chosen, _("已淘汰")),
    restore,
    favourite: (chosen, about) => (about.record ? toggle(chosen, about) : keepMany(chosen, true)),
    unfavourite: (chosen) => keepMany(chosen, false),
    pick: (chosen, { record }) => ("favourite" in record.dataset ? undefined : toggle(chosen, { record })),
    archive: (chosen) => carry(archiveUrl, chosen),
    export: (chosen) => carry(exportUrl, chosen),
    edit: (_chosen, { record }) => location.assign(`${studioUrl}?from=${record.dataset.recordId}`),
    again,
    reference,
    link,
  };

  async function link(_chosen, { record }) {
    const address = new URL(`${page.dataset.pageUrl}?record=${record.dataset.recordId}`, location.href);
    showToast((await copyText(address.href)) ? _("已复制这条记录的链接") : _("请手动复制：{href}", { href: address.href }));
  }

  async function keepMany(chosen, on) {
    const changed = await keep(chosen, on);
    showToast(on ? _("已收藏 {count} 条", { count: count(changed) }) : _("已取消收藏 {count} 条", { count: count(changed) }));
  }

  return (name, chosen, about = {}) => deeds[name](chosen, about);
}

/** The star of every place that shows this record. */
function mark(record, on) {
  for (const place of document.querySelectorAll(`[data-record-id="${record.dataset.recordId}"]`)) {
    place.toggleAttribute("data-favourite", on);
    const star = place.querySelector('[data-command="favourite"]');
    star?.setAttribute("aria-pressed", String(on));
    if (star) star.firstElementChild.className = `icon icon-star${on ? "-full" : ""}`;
  }
}

/** A download that the browser shows and stops like any other. */
function carry(url, chosen) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = url;
  form.hidden = true;
  const fields = chosen.filter ?? { ids: chosen.ids.join(",") };
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement("input");
    [field.type, field.name, field.value] = ["hidden", name, value];
    form.append(field);
  }
  document.body.append(form);
  downloadFrame(url, new URLSearchParams(fields));
  form.target = FRAME;
  form.submit();
  form.remove();
  showToast(_("已开始下载，文件大时请稍等"));
}

/** Downloads go through a frame: only an error loads in it, and the page stays. */
function downloadFrame(url, body) {
  document.querySelector(`iframe[name="${FRAME}"]`)?.remove();
  const frame = document.createElement("iframe");
  frame.name = FRAME;
  frame.hidden = true;
  document.body.append(frame);
  frame.addEventListener("load", async () => {
    const why = await refusalOf(url, body).catch((failure) => failure.message);
    showError(why || _("下载没有成功，请再试一次"));
  });
}
