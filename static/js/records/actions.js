// What can be done with one picture: again, edit, use as reference, delete with undo, retry, cancel;
// and what is done about one that nobody knows of (records/unresolved.js).

import { takeOut } from "../core/dom.js";
import { Failure, call } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { late } from "../core/lazy.js";
import { order } from "../core/orders.js";
import { collect, drop, reorder } from "./unresolved.js";
import { confirmSecondCharge, offerUndo, toast } from "../ui/messages.js";

const lightbox = late(() => import("../ui/lightbox.js"));
const ACTIONS = {
  again, edit, reference, facts, delete: remove, retry, resume: post, cancel,
  collect: settle(collect), reorder: settle(reorder), drop: settle(drop),
};

/** Do what the button's data-action says with the tile it stands in; errors are said in the tile. */
export async function act(button) {
  const tile = button?.closest("[data-record-id]");
  if (!tile || tile.dataset.busy) return;
  const place = tile.querySelector("[data-error]");
  place.textContent = "";
  tile.dataset.busy = button.dataset.busy = "yes";
  try {
    await ACTIONS[button.dataset.action](tile, button);
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    place.textContent = failure.message;
  } finally {
    delete tile.dataset.busy;
    delete button.dataset.busy;
  }
}

async function again(tile) {
  const { createUrl } = document.querySelector("[data-create-url]").dataset;
  const rows = [{ ...asked(tile), num_images: 1, seed: null }];
  const { records } = await order(createUrl, { source: "single", rows }, { about: tile.dataset.recordId });
  document.dispatchEvent(new CustomEvent("sent", { detail: records }));
}

function edit(tile, link) {
  if (document.querySelector("[data-composer]")) {
    document.dispatchEvent(new CustomEvent("use-request", { detail: { ...asked(tile), num_images: 1 } }));
  } else {
    location.assign(link.href);
  }
}

async function reference(tile) {
  const { uploadUrl } = document.querySelector("[data-upload-url]").dataset;
  const use = (image) => document.dispatchEvent(new CustomEvent("use-reference", { detail: image, cancelable: true }));
  if (!use(null)) return; // no room: the form says so
  const { images } = await call("POST", uploadUrl, { record_id: Number(tile.dataset.recordId) });
  if (use(images[0])) toast(_("已加入参考图"));
}

async function facts(tile) {
  const { openLightbox } = await lightbox();
  openLightbox(tile.querySelector("[data-full]"));
}

async function remove(tile, button) {
  const marker = document.createComment("");
  tile.before(marker); // before the page hears that the tile is gone
  await call("DELETE", tile.dataset.recordUrl);
  takeOut(tile);
  offerUndo(button.dataset.done || _("已删除"), () => restore(tile, marker));
}

async function restore(tile, marker) {
  await call("POST", document.body.dataset.restoreUrl, { ids: [Number(tile.dataset.recordId)] });
  tile.querySelector("[data-error]").textContent = "";
  if (!document.querySelector(`[data-record-id="${tile.dataset.recordId}"]`)) marker.replaceWith(tile);
  tile.querySelector("a, button")?.focus();
}

async function retry(tile, { dataset }) {
  if ("charged" in dataset && !await confirmSecondCharge({ sum: dataset.charged, isCharged: true })) return;
  const { batch } = await order(tile.dataset.retryUrl, { records: [Number(tile.dataset.recordId)] });
  if (batch.status === "paused") toast(_("已重新排队，批次继续后开始"));
  document.dispatchEvent(new Event("look-now"));
}

function settle(deed) {
  return (tile, { dataset }) => {
    const about = { atStake: dataset.atStake, collectable: "collectable" in dataset };
    return deed({ ids: [Number(tile.dataset.recordId)] }, about);
  };
}

async function post(_tile, button) {
  await call("POST", button.dataset.url);
  document.dispatchEvent(new Event("look-now"));
}

/** What data-url cancels, one picture or all of a request, can be taken up again as long as that is said. */
async function cancel({ dataset: { uncancelUrl } }, { dataset }) {
  const { cancelled, undo, was_paused: paused } = await call("POST", dataset.url);
  document.dispatchEvent(new Event("look-now"));
  offerUndo(_("已取消 {n} 张，没有计费", { n: cancelled }), () => uncancel(uncancelUrl, { records: undo, paused }), { whileShown: true });
}

async function uncancel(url, body) {
  const { records } = await call("POST", url, body);
  toast(_("{n} 张已重新排队", { n: records }));
  document.dispatchEvent(new Event("look-now"));
}

function asked(tile) {
  return JSON.parse(tile.dataset.request);
}
