// Commands on one image of the library: copy its name, rename it, delete it with undo; by button and by key.

import { renameInPlace } from "./rename.js";
import { HttpError, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { arrowTarget } from "../core/keyboard.js";
import { copyText, offerUndo, showToast } from "../ui/toast.js";

const KEYS = { F2: "rename", Delete: "delete" };

/** `list` is the SamplesList of the page. Returns run(name, sample). */
export function bindSampleActions(library, list) {
  const actions = { copy: copyName, rename: (sample) => renameInPlace(sample, list), delete: deleteSample };

  async function run(name, sample) {
    if (sample.dataset.busy) {
      sample.querySelector(".sample-new-name")?.focus();
      return;
    }
    sample.dataset.busy = "yes";
    showSampleError(sample, "");
    try {
      await actions[name](sample);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      showSampleError(sample, error.message);
    } finally {
      delete sample.dataset.busy;
    }
  }

  /** The focus goes to the next image, or to what stands there instead of images. */
  async function deleteSample(sample) {
    const next = sample.nextElementSibling || sample.previousElementSibling;
    await requestJson("DELETE", sample.dataset.url);
    list.remove(sample);
    next?.querySelector("a").focus({ preventScroll: true });
    offerUndo(_("已删除「{filename}」", { filename: sample.dataset.filename }), () => restore(sample));
    if (list.length) return;
    await list.poller.now();
    if (document.activeElement !== document.body) return;
    (list.holder.querySelector(".sample-link, .empty a") ?? library.querySelector("[data-files]")).focus({ preventScroll: true });
  }

  async function restore(sample) {
    await requestJson("POST", `${sample.dataset.url}/restore`);
    list.isWholeDue = true;
    await list.poller.now();
    list.find(sample.dataset.sample)?.querySelector("a").focus();
  }

  library.addEventListener("click", (event) => {
    const button = event.target.closest("[data-command]");
    if (button) run(button.dataset.command, button.closest(".sample"));
  });
  library.addEventListener("keydown", (event) => {
    const sample = event.target.closest(".sample-link")?.closest(".sample");
    if (!sample || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in KEYS) return void run(KEYS[event.key], sample);
    const next = arrowTarget([...list.list.children], sample, event.key);
    if (!next) return;
    event.preventDefault();
    next.querySelector("a").focus();
  });
  return run;
}

function showSampleError(sample, message) {
  sample.querySelector("[data-error]").textContent = message;
}

async function copyName({ dataset: { filename } }) {
  const isCopied = await copyText(filename);
  showToast(isCopied ? _("文件名已复制") : _("请手动复制：{filename}", { filename }));
}
