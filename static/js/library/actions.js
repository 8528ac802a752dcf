// Commands on images of the library: use as a reference, copy the name, rename, download, delete with undo; by button and by key.

import { renameSample } from "./rename.js";
import { create } from "../core/dom.js";
import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { updateDraft } from "../core/storage.js";
import { download } from "../ui/downloads.js";
import { runInPlace } from "../ui/in_place.js";
import { bindListKeys } from "../ui/list_keys.js";
import { Selection } from "../ui/selection.js";
import { copyText, offerUndo, showToast } from "../ui/toast.js";

const KEYS = { F2: "rename", Delete: "delete" };

/** `list` is the SamplesList of the page. Returns {run(name, sample), selection}. */
export function bindSampleActions(library, list) {
  const actions = {
    copy: copyNames,
    reference: useAsReferences,
    download: (samples) => downloadImages(library, samples),
    delete: deleteSamples,
  };

  async function run(name, sample) {
    sample.querySelector(".sample-new-name")?.focus(); // it is being renamed
    await runInPlace(sample, () => (name === "rename" ? renameSample(sample, list) : actions[name]([sample])));
  }

  /** The focus goes to the next image, or to what stands there instead of images. Undo brings back all that were deleted. */
  async function deleteSamples(samples) {
    const deleted = [];
    const others = (name) => nextOf(samples, name);
    const next = others("nextElementSibling") ?? others("previousElementSibling");
    try {
      for (const sample of samples) {
        await requestJson("DELETE", sample.dataset.url);
        list.remove(sample);
        deleted.push(sample);
      }
    } finally {
      if (deleted.length) offerUndo(deletedMessage(deleted), () => restore(deleted));
    }
    next?.querySelector("a").focus({ preventScroll: true });
    if (list.length) return;
    await list.poller.now();
    if (document.activeElement !== document.body) return;
    (list.holder.querySelector(".sample-link, .empty a") ?? library.querySelector("[data-files]")).focus({ preventScroll: true });
  }

  async function restore(samples) {
    try {
      for (const { dataset } of samples) await requestJson("POST", `${dataset.url}/restore`);
    } finally {
      list.isWholeDue = true;
      await list.poller.now();
    }
    list.find(samples[0].dataset.sample)?.querySelector("a").focus();
  }

  library.addEventListener("click", (event) => {
    const button = event.target.closest("[data-command]");
    if (button) run(button.dataset.command, button.closest(".sample"));
  });
  const selection = new Selection(library, {
    item: ".sample",
    held: "[data-samples] .sample",
    label: ({ length: n }) => (n ? _("已选 {n} 张", { n }) : _("点图片选择")),
    run: (name) => actions[name](selection.ids().map((key) => list.find(key))),
  });
  bindListKeys(library, { item: ".sample", selection, commands: KEYS, run });
  library.addEventListener("list-changed", () => selection.refresh());
  selection.refresh();
  return { run, selection };
}

/** The nearest element in a direction that is not one of `samples`. */
function nextOf(samples, direction) {
  let next = samples[0][direction];
  while (samples.includes(next)) next = next[direction];
  return next;
}

function deletedMessage(samples) {
  const [{ dataset: { filename } }] = samples;
  return samples.length > 1 ? _("已删除 {n} 张", { n: samples.length }) : _("已删除「{filename}」", { filename });
}

/** Several names are separated as in a cell of a spreadsheet. */
async function copyNames(samples) {
  const filename = samples.map(({ dataset }) => dataset.filename).join(", ");
  const isCopied = await copyText(filename);
  showToast(isCopied ? _("文件名已复制") : _("请手动复制：{filename}", { filename }));
}

/** Add them to the references of 单图生成, and go there. */
function useAsReferences(samples) {
  const { maxReferences: most, referenceProblem } = document.querySelector("image-lightbox").dataset;
  if (referenceProblem) return showToast(referenceProblem);
  const isAdded = updateDraft((draft) => {
    const images = new Map([...(draft.sample_images ?? []), ...samples.map(imageOf)].map((image) => [image.url, image]));
    return images.size <= most && { ...draft, sample_images: [...images.values()] };
  });
  if (isAdded) return location.assign(document.body.dataset.studioUrl);
  return showToast(_("「单图生成」最多用 {most} 张参考图，请少选几张，或先移除那里的", { most }));
}

function imageOf(sample) {
  const { imageUrl: url } = sample.querySelector(".sample-link").dataset;
  return { url, filename: sample.dataset.filename, thumbnail_url: sample.querySelector("img").getAttribute("src") };
}

/** One as a file, several as a ZIP. */
function downloadImages(library, samples) {
  if (samples.length > 1) {
    const keys = JSON.stringify(samples.map(({ dataset }) => dataset.sample));
    return download(library.dataset.archiveUrl, { filter: { keys } });
  }
  const { href } = samples[0].querySelector(".sample-link");
  return create("a", { href, download: samples[0].dataset.filename }).click();
}
