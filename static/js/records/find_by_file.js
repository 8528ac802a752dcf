// Find the record of an image file, or at least the parameters inside the file.

import { apply } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { updateDraft } from "../core/storage.js";
import { ask } from "../ui/ask.js";
import { announce, showToast } from "../ui/toast.js";

const OVERLAY_DELAY_MS = 300;

/** Look for the record of a file. open(id) shows it; restore(id) takes it out of the trash. */
export async function findByFile(file, url, { open, restore }) {
  announce(_("正在找这张图的记录"));
  if (!file.type.startsWith("image/")) return showDialog(file.name, _("这不是图片。请放一张 PNG、JPEG 或 WebP 图片。"));
  const body = new FormData();
  body.append("file", file, file.name);
  return attempt(async () => {
    const answer = await withOverlay(_("正在找这张图的记录"), requestJson("POST", url, body));
    return answer.record ? await showRecord(answer, { open, restore }) : showParameters(file.name, answer.parameters);
  }, (sentence) => showDialog(file.name, sentence));
}

async function showRecord({ record, is_same_file: isSameFile, in_trash: isInTrash }, { open, restore }) {
  const { id } = record;
  if (isInTrash) {
    const action = { label: _("恢复"), run: () => restore(id) };
    return showDialog(_("记录 {id}", { id }), _("这张图的记录在回收站里。"), metadataOf(record), action);
  }
  await open(id);
  return showToast(isSameFile ? _("这是记录 {id}", { id }) : _("这是记录 {id}，文件后来被改动过", { id }));
}

function showParameters(name, parameters) {
  if (!parameters) return showDialog(name, _("这张图不在记录里，也没有带参数，可能是截图或被其他软件另存过。"));
  const action = parameters.prompt && { label: _("用这些参数生成"), run: () => useInStudio(parameters) };
  return showDialog(name, _("这张图不在记录里，但它带着自己的参数："), metadataOf(parameters), action);
}

/** While the promise takes long, a message lies over the page. */
async function withOverlay(message, promise) {
  const overlay = document.querySelector("[data-drop-overlay]");
  const render = (textContent, isShown) => {
    apply(overlay, { classes: { "is-dropping": isShown } });
    apply(overlay.firstElementChild, { textContent });
  };
  const usualText = overlay.textContent;
  const timer = setTimeout(render, OVERLAY_DELAY_MS, message, true);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    render(usualText, false);
  }
}

function metadataOf({ prompt, negative_prompt: negative, seed, steps, width, height, model, text }) {
  const lines = [
    [_("提示词"), prompt || text], [_("负面提示词"), negative], [_("种子"), seed], [_("步数"), steps],
    [_("尺寸"), width && `${width}×${height}`], [_("模型"), model],
  ];
  return lines.filter(([, value]) => value != null && value !== "");
}

async function showDialog(title, text, facts = [], action = null) {
  const choices = action ? [{ label: action.label, isPrimary: true }] : [];
  const isChosen = await ask({ name: "file", title, text, facts, choices, close: action ? _("取消") : _("关闭") });
  if (isChosen) await attempt(action.run, (sentence) => showDialog(title, sentence));
}

function useInStudio({ prompt, negative_prompt, seed, steps }) {
  updateDraft((draft) => ({ ...draft, prompt, negative_prompt, seed: seed ?? "", steps: steps ?? "" }));
  location.assign(document.body.dataset.studioUrl);
}
