// What can be done with one picture: again, edit, use as reference, delete with undo, retry, cancel;
// and what is done about one that nobody knows of (records/unresolved.js).

import { removeKeepingFocus } from "../core/dom.js";
import { HttpError, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { fetchResult, writeOff, resubmit } from "./unresolved.js";
import { openLightbox } from "../ui/lightbox.js";
import { confirmRetryCost, offerUndo, showToast } from "../ui/messages.js";

const ACTIONS = {
  again, edit, reference, metadata: facts, delete: remove, retry, resume: post, cancel,
  "fetch-result": settle(fetchResult), resubmit: settle(resubmit), "write-off": settle(writeOff),
};

/** Do what the button's data-command says with the tile it stands in; errors are said in the tile. */
export async function runAction(button) {
  const tile = button?.closest("[data-record-id]");
  if (!tile || tile.dataset.busy) return;
  const place = tile.querySelector("[data-error]");
  place.textContent = "";
  tile.dataset.busy = button.dataset.busy = "yes";
  try {
    await ACTIONS[button.dataset.command](tile, button);
  } catch (failure) {
    if (!(failure instanceof HttpError)) throw failure;
    place.textContent = failure.message;
  } finally {
    delete tile.dataset.busy;
    delete button.dataset.busy;
  }
}

async function again(tile) {
  const { createUrl } = document.querySelector("[data-create-url]").dataset;
  const rows = [{ ...asked(tile), num_images: 1, seed: null }];
  const { records } = await postOnce(createUrl, { source: "single", rows }, { about: tile.dataset.recordId });
  document.dispatchEvent(new CustomEvent("records-created", { detail: records }));
}

function edit(tile, link) {
  if (document.querySelector("[data-studio-form]")) {
    document.dispatchEvent(new CustomEvent("apply-request", { detail: { ...asked(tile), num_images: 1 } }));
  } else {
    location.assign(link.href);
  }
}

async function reference(tile) {
  const { uploadUrl } = document.querySelector("[data-upload-url]").dataset;
  const use = (image) => document.dispatchEvent(new CustomEvent("add-reference", { detail: image, cancelable: true }));
  if (!use(null)) return; // no room: the form says so
  const { images } = await requestJson("POST", uploadUrl, { record_id: Number(tile.dataset.recordId) });
  if (use(images[0])) showToast(_("已加入参考图"));
}

function facts(tile) {
  openLightbox(tile.querySelector("[data-image-url]"));
}

async function remove(tile, button) {
  const marker = document.createComment("");
  tile.before(marker); // before the page hears that the tile is gone
  await requestJson("DELETE", tile.dataset.recordUrl);
  removeKeepingFocus(tile);
  offerUndo(button.dataset.done || _("已删除"), () => restore(tile, marker));
}

async function restore(tile, marker) {
  await requestJson("POST", document.body.dataset.restoreUrl, { ids: [Number(tile.dataset.recordId)] });
  tile.querySelector("[data-error]").textContent = "";
  if (!document.querySelector(`[data-record-id="${tile.dataset.recordId}"]`)) marker.replaceWith(tile);
  tile.querySelector("a, button")?.focus();
}

async function retry(tile, { dataset }) {
  if ("charged" in dataset && !await confirmRetryCost({ sum: dataset.charged, isCharged: true })) return;
  const { batch } = await postOnce(tile.dataset.retryUrl, { records: [Number(tile.dataset.recordId)] });
  if (batch.status === "paused") showToast(_("已重新排队，批次继续后开始"));
  document.dispatchEvent(new Event("poll-now"));
}

function settle(deed) {
  return (tile, { dataset }) => {
    const about = { atStake: dataset.atStake, collectable: "collectable" in dataset };
    return deed({ ids: [Number(tile.dataset.recordId)] }, about);
  };
}

async function post(_tile, button) {
  await requestJson("POST", button.dataset.url);
  document.dispatchEvent(new Event("poll-now"));
}

/** What data-url cancels, one picture or all of a request, can be taken up again as long as that is said. */
async function cancel({ dataset: { uncancelUrl } }, { dataset }) {
  const { cancelled, undo, was_paused: paused } = await requestJson("POST", dataset.url);
  document.dispatchEvent(new Event("poll-now"));
  offerUndo(_("已取消 {n} 张，没有计费", { n: cancelled }), () => uncancel(uncancelUrl, { records: undo, paused }), { whileShown: true });
}

async function uncancel(url, body) {
  const { records } = await requestJson("POST", url, body);
  showToast(_("{n} 张已重新排队", { n: records }));
  document.dispatchEvent(new Event("poll-now"));
}

function asked(tile) {
  return JSON.parse(tile.dataset.request);
}
