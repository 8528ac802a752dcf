// A picture file tells which record it is, or at least what it was made from.

import { requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { updateDraft } from "../core/storage.js";
import { announce, showToast } from "../ui/messages.js";

const PATIENCE = 300;
const veil = document.querySelector("[data-drop-overlay]");
const dialog = document.querySelector('[data-dialog="file"]');
const part = (name) => dialog.querySelector(`[data-file-${name}]`);

/** Ask about one file; its record is shown when it is here. */
export async function findByFile(file, { page, finder, enlarge, run }) {
  const { fileUrl, pageUrl, studioUrl } = page.dataset;
  announce(_("正在找这张图的记录"));
  if (!file.type.startsWith("image/")) return show(file.name, _("这不是图片。请放一张 PNG、JPEG 或 WebP 图片。"));
  const body = new FormData();
  body.append("file", file, file.name);
  try {
    const { record, is_same_file: same, in_trash: gone, parameters } = await whileSaying(_("正在找这张图的记录"), requestJson("POST", fileUrl, body));
    if (record && gone) {
      return show(_("记录 {id}", { id: record.id }), _("这张图的记录在回收站里。"), asFacts(record), [_("恢复"), () => run("restore", { ids: [record.id] })]);
    }
    if (record) {
      await open(record.id, { page, pageUrl, finder, enlarge });
      return showToast(same ? _("这是记录 {id}", { id: record.id }) : _("这是记录 {id}，文件后来被改动过", { id: record.id }));
    }
    if (!parameters) return show(file.name, _("这张图不在记录里，也没有带参数，可能是截图或被其他软件另存过。"));
    return show(file.name, _("这张图不在记录里，但它带着自己的参数："), asFacts(parameters), parameters.prompt && [
      _("用这些参数生成"), () => use(parameters, studioUrl),
    ]);
  } catch (failure) {
    return show(file.name, failure.message);
  }
}

/** What is waited for; when it takes a while, a sentence over the page says so. */
async function whileSaying(sentence, answer) {
  const words = veil.firstElementChild;
  const usual = words.textContent;
  const late = setTimeout(() => {
    words.textContent = sentence;
    veil.hidden = false;
  }, PATIENCE);
  try {
    return await answer;
  } finally {
    clearTimeout(late);
    veil.hidden = true;
    words.textContent = usual;
  }
}

async function open(id, { page, pageUrl, finder, enlarge }) {
  await finder.go(`${pageUrl}?record=${id}`);
  const link = page.querySelector(`[data-record-id="${id}"] [data-image-url]`);
  if (link) await enlarge(link);
}

function asFacts({ prompt, negative_prompt: negative, seed, steps, width, height, model, text }) {
  const known = [
    [_("提示词"), prompt || text], [_("负面提示词"), negative], [_("种子"), seed], [_("步数"), steps],
    [_("尺寸"), width && `${width}×${height}`], [_("模型"), model],
  ];
  return known.filter(([, value]) => value != null && value !== "");
}

function show(title, sentence, facts = [], deed = null) {
  part("title").textContent = title;
  part("text").textContent = sentence;
  part("facts").replaceChildren(...facts.flatMap(([term, words]) => [element("dt", term), element("dd", words)]));
  part("facts").hidden = facts.length === 0;
  const yes = part("yes");
  const no = dialog.querySelector("[data-close]");
  no.textContent = deed ? _("取消") : _("关闭");
  yes.hidden = !deed;
  if (deed) {
    yes.textContent = deed[0];
    yes.onclick = () => {
      dialog.close();
      deed[1]();
    };
  }
  if (!dialog.open) dialog.showModal();
  (deed ? yes : no).focus();
}

function element(tag, words) {
  const made = document.createElement(tag);
  made.textContent = words;
  return made;
}

function use({ prompt, negative_prompt, seed, steps }, url) {
  updateDraft((draft) => ({ ...draft, prompt, negative_prompt, seed: seed ?? "", steps: steps ?? "" }));
  location.assign(url);
}
