// Reference images of a request: dropped, pasted, uploaded, chosen in the library, or taken from a result.

import { orderByDragging } from "./reference_order.js";
import { makeReferenceList } from "./reference_list.js";
import { attempt } from "../core/attempt.js";
import { onFilesDropped } from "../core/file_drop.js";
import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { upload } from "../core/upload.js";

const loadPicker = lazy(() => import("../library/picker.js"));

export function makeReferences(field) {
  const form = field.closest("form");
  if (!field.querySelector("[data-list]")) return;
  const list = makeReferenceList(field);
  const { refusal } = field.dataset; // why the model takes no images of this computer; empty when it does
  const pickerButton = field.querySelector("[data-open-picker]");

  function addFiles(files) {
    if (refusal) refuse(refusal);
    else uploadReferences(list, form.dataset.uploadUrl, files);
  }

  /** The images chosen in the library, in that order, replace those that were there. */
  async function choose() {
    const dialog = document.querySelector("[data-reference-picker]");
    const { openReferencePicker } = await loadPicker();
    const chosen = await openReferencePicker(dialog, { chosen: list.images(), most: list.max - list.uploading().length });
    list.showError("");
    if (chosen) list.replace(chosen);
    pickerButton.focus();
  }

  /** detail: an image, or null to ask whether one may be added. The event is cancelled when none may. */
  function onAddReference(event) {
    const isFull = list.items().length >= list.max;
    const problem = refusal || (isFull ? _("已有 {max} 张参考图，请先移除一张", { max: list.max }) : "");
    list.showError("");
    if (problem) {
      event.preventDefault();
      refuse(problem);
    } else if (event.detail) {
      list.append(event.detail);
    }
  }

  function refuse(message) {
    list.showError(message);
    field.scrollIntoView({ block: "nearest" });
  }

  orderByDragging(list);
  pickerButton.addEventListener("click", choose);
  field.querySelector("[data-select]").addEventListener("change", ({ target }) => {
    addFiles([...target.files]);
    target.value = "";
  });
  onFilesDropped(document, { shade: form, take: addFiles });
  document.addEventListener("add-reference", onAddReference);
  form.addEventListener("form-filled", ({ detail: request }) => {
    if ("sample_images" in request) list.giveUp(); // others take their place
    list.render();
  });
  list.render();
}

/** Upload files into the library, each in its place of the list at once. */
async function uploadReferences(list, url, files) {
  const free = list.max - list.items().length;
  const excess = files.length > free ? _("最多 {max} 张参考图，多出的没有加入", { max: list.max }) : "";
  list.showError(excess);
  const problems = await Promise.all(files.slice(0, Math.max(free, 0)).map((file) => uploadReference(list, url, file)));
  list.showError([excess, ...problems].filter(Boolean).join(_("；")));
}

/** Resolves to why the file was not added, or to "". When its item is removed, the upload is aborted. */
async function uploadReference(list, url, file) {
  const preview = URL.createObjectURL(file);
  const item = list.makeItem({ filename: file.name, url: preview });
  const controller = new AbortController();
  item.classList.add("is-uploading");
  item.addEventListener("removed", () => controller.abort());
  list.element.append(item);
  list.number();
  let problem = "";
  await attempt(async () => {
    const answer = await upload(url, file, { signal: controller.signal });
    if (answer) problem = showUploaded(list, item, answer.images[0]);
  }, (message) => {
    item.remove();
    problem = _("{name}：{message}", { name: file.name, message });
  });
  if (!item.isConnected) URL.revokeObjectURL(preview);
  list.save();
  return problem;
}

function showUploaded(list, item, image) {
  const { filename: name } = item.image;
  const isRepeated = list.items().some((other) => other.image.url === image.url);
  if (isRepeated) item.remove();
  item.image = image;
  item.classList.remove("is-uploading");
  return isRepeated ? _("{name}：这张图已经加过了", { name }) : "";
}
