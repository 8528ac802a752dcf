// Reference images of a request: dropped, pasted, uploaded, chosen in the library, or taken from a result.

import { copyOf, show } from "../core/dom.js";
import { followPointer } from "../core/drag.js";
import { onFilesDropped } from "../core/file_drop.js";
import { attempt } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { upload } from "../core/upload.js";
import { announce } from "../ui/toast.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
const CLICK_TOLERANCE = 4; // pixels that a click may move

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
    const { openReferencePicker } = await import("../library/picker.js");
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

/** The list of reference images in the form: rendered, numbered, and kept in the field that is submitted. */
function makeReferenceList(field) {
  const input = field.querySelector("[name=sample_images]");
  const element = field.querySelector("[data-list]");
  const max = Number(field.dataset.max);

  const images = () => JSON.parse(input.value || "[]");
  const items = () => [...element.children];
  const uploading = () => items().filter((item) => item.classList.contains("is-uploading"));
  const makeItem = (image) => copyOf(field.querySelector("[data-item]"), { "": { image }, img: { src: image.thumbnail_url || image.url } });

  /** Show what the input holds, or others, before what is still uploading. */
  function render(shown = images()) {
    element.replaceChildren(...shown.map(makeItem), ...uploading());
    number();
  }

  function number() {
    const { length } = items();
    items().forEach((item, index) => {
      const values = { number: index + 1, name: item.image.filename };
      show(item, {
        ".reference-number": values.number,
        "[data-move]": { title: values.name, ariaLabel: _("参考图 {number}：{name}，按左右箭头调整顺序", values) },
        "[data-remove]": { ariaLabel: _("移除参考图 {number}：{name}", values) },
      });
    });
    show(field, {
      "[data-add]": { hidden: length >= max || Boolean(field.dataset.refusal) },
      "[data-open-picker]": _("选择 ({n})", { n: length }),
      "[data-order-hint]": { hidden: length < 2 },
    });
  }

  /** Save the list in the input; what is still uploading is left out. */
  function save() {
    number();
    input.value = JSON.stringify(items().filter((item) => !uploading().includes(item)).map((item) => item.image));
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function append(image) {
    element.append(makeItem(image));
    save();
  }

  function replace(chosen) {
    render(chosen);
    save();
  }

  /** Dispatches "removed" on the item, for its upload. */
  function discard(item) {
    item.dispatchEvent(new Event("removed"));
    item.remove();
  }

  function remove(item) {
    const next = item.nextElementSibling || item.previousElementSibling;
    discard(item);
    save();
    (next?.querySelector("[data-remove]") || field.querySelector("[data-select]:enabled") || field.closest("form").elements.prompt).focus();
  }

  element.addEventListener("click", ({ target }) => target.closest("[data-remove]") && remove(target.closest("li")));
  return {
    element, max, images, items, uploading, makeItem, number, render, save, append, replace, remove,
    giveUp: () => uploading().forEach(discard), // abort what is uploading
    showError: (message) => show(field, { "[data-error-for]": message }),
  };
}

/** They are put in order by dragging or by arrow keys; Delete removes one. */
function orderByDragging({ element, items, save, remove }) {
  const itemOf = ({ target }) => target.closest("[data-move]")?.closest("li");

  function move(item, step) {
    const other = items()[items().indexOf(item) + step];
    if (!other) return;
    other[step < 0 ? "before" : "after"](item);
    save();
    item.querySelector("[data-move]").focus();
    announce(_("移到第 {place} 位", { place: items().indexOf(item) + 1 }));
  }

  /** The item follows the pointer; Esc puts it back. */
  function drag(start, item) {
    const before = items();
    const finish = () => {
      item.classList.remove("is-dragged");
      save();
    };
    followPointer(start, {
      move({ clientX, clientY }) {
        if (Math.hypot(clientX - start.clientX, clientY - start.clientY) < CLICK_TOLERANCE) return;
        item.classList.add("is-dragged");
        insertAt(item, clientX, clientY);
      },
      end: () => item.classList.contains("is-dragged") && finish(),
      cancel() {
        element.prepend(...before.filter((other) => other.isConnected)); // one may have been added or removed meanwhile
        finish();
      },
    });
  }

  /** Beside the item at this point. */
  function insertAt(item, x, y) {
    const other = document.elementFromPoint(x, y)?.closest("li");
    if (!other || other === item || other.parentElement !== element) return;
    const { left, width } = other.getBoundingClientRect();
    other[x < left + width / 2 ? "before" : "after"](item);
  }

  element.addEventListener("keydown", (event) => {
    const item = itemOf(event);
    if (!item || !(event.key in STEPS || event.key === "Delete")) return;
    event.preventDefault();
    if (event.key in STEPS) move(item, STEPS[event.key]);
    else remove(item);
  });
  element.addEventListener("pointerdown", (event) => {
    const item = itemOf(event);
    if (item && event.button === 0) drag(event, item);
  });
}
