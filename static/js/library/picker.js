// Choose reference images in order, in a dialog: search, upload in place, keyboard. Template: partials/image_picker.html.

import { onFilesDropped } from "../core/file_drop.js";
import { _ } from "../core/i18n.js";
import { makePickerList } from "./picker_list.js";
import { showToast } from "../ui/messages.js";
import { makeUploads } from "../ui/uploads.js";

/** Open the dialog; resolves to the chosen [{url, filename, thumbnail_url}] in order, or null when left. */
export function openReferencePicker(dialog, { chosen = [], most = 4, search = "" } = {}) {
  const { signal, end } = untilClosed(dialog);
  const part = (name) => dialog.querySelector(`[data-picker-${name}]`);
  const on = (element, kind, listener) => element.addEventListener(kind, listener, { signal });
  const picker = { dialog, most, url: dialog.dataset.url, refusal: dialog.dataset.refusal, part, on, signal };
  const choice = makePickerSelection(picker, chosen);
  let answer = null;

  part("search").value = search;
  part("images").replaceChildren();
  const library = makePickerList(picker, choice);
  takeFiles(picker, { choice, library });
  bindPickerKeys(picker);
  on(part("yes"), "click", () => {
    answer = choice.picked;
    dialog.close();
  });
  on(dialog, "keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.stopPropagation(); // on the page below it would generate
    event.preventDefault();
    part("yes").click();
  });

  dialog.showModal();
  if (matchMedia("(hover: hover)").matches) part("search").focus(); // on a phone that would bring up its keyboard
  return end.then(() => answer);
}

function untilClosed(dialog) {
  const stop = new AbortController();
  const end = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      stop.abort();
      resolve();
    }, { once: true });
  });
  return { signal: stop.signal, end };
}

// What is chosen in the picker, in order: numbers on the pictures, small ones in the foot.


/** -> {picked, toggle(image), has(image), draw()}; at most `most` of them. */
function makePickerSelection({ part, on, most, refusal }, chosen) {
  const picked = [...chosen];
  const placeOf = ({ url }) => picked.findIndex((image) => image.url === url);

  function toggle(image) {
    const at = placeOf(image);
    const isTooMany = at < 0 && picked.length >= most;
    part("error").textContent = refusal || (isTooMany ? _("最多选 {most} 张，先点掉一张", { most }) : "");
    if (at >= 0) picked.splice(at, 1);
    else if (!isTooMany && !refusal) picked.push({ url: image.url, filename: image.filename, thumbnail_url: image.thumbnail_url });
    draw();
  }

  function draw() {
    for (const element of part("images").children) {
      const at = placeOf(element.image);
      element.setAttribute("aria-selected", String(at >= 0));
      element.querySelector(".picker-order").textContent = at >= 0 ? String(at + 1) : "";
    }
    part("chosen").replaceChildren(...picked.map(makeChosen));
    part("none").hidden = picked.length === 0;
  }

  function makeChosen(image, index) {
    const place = document.createElement("li");
    const button = document.createElement("button");
    const picture = document.createElement("img");
    picture.src = image.thumbnail_url || image.url;
    picture.alt = "";
    button.type = "button";
    button.className = "picker-chosen-image";
    button.setAttribute("aria-label", _("移除第 {number} 张：{filename}", { number: index + 1, filename: image.filename }));
    button.title = _("{filename}（点一下移除）", { filename: image.filename });
    button.dataset.order = index + 1;
    button.append(picture);
    button.addEventListener("click", () => takeOut(image, index));
    place.append(button);
    return place;
  }

  /** The focus stays in the foot, on what stands there now. */
  function takeOut(image, index) {
    toggle(image);
    const left = part("chosen").querySelectorAll("button");
    (left[Math.min(index, left.length - 1)] ?? part("search")).focus();
  }

  on(part("images"), "click", ({ target }) => {
    const element = target.closest("[role=option]");
    if (element) toggle(element.image);
  });
  on(part("none"), "click", () => {
    picked.length = 0;
    draw();
    part("search").focus();
  });
  part("error").textContent = refusal;
  draw();
  return { picked, toggle, has: (image) => placeOf(image) >= 0, draw };
}

// The pictures of the picker by keyboard: arrows, Home and End; Tab comes back to the one it left.

function bindPickerKeys({ part, on }) {
  const box = part("images");

  function target(key) {
    const all = [...box.children];
    const at = all.indexOf(document.activeElement);
    const across = Math.max(all.findIndex(({ offsetTop }) => offsetTop !== all[0].offsetTop), 1);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: -Infinity, End: Infinity }[key];
    return at < 0 || !step ? null : all[Math.max(0, Math.min(at + step, all.length - 1))];
  }

  on(box, "keydown", (event) => {
    const next = event.ctrlKey || event.metaKey || event.altKey ? null : target(event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  on(box, "focusin", ({ target: focused }) => {
    for (const element of box.querySelectorAll('[tabindex="0"]')) element.tabIndex = -1;
    focused.tabIndex = 0;
  });
  on(part("search"), "keydown", (event) => {
    if (event.key !== "ArrowDown" || !box.firstElementChild) return;
    event.preventDefault();
    box.querySelector('[tabindex="0"]').focus();
  });
}

// Files into the library from within the picker: what arrives is chosen, as long as there is room.


const open = new WeakMap(); // dialog -> who is told of what arrives, and its uploads: they outlive the dialog

export function takeFiles({ dialog, most, url, part, on, signal }, { choice, library }) {
  if (!open.has(dialog)) open.set(dialog, { uploads: beginUploads(dialog, url) });
  const { add } = Object.assign(open.get(dialog), { kept, ended }).uploads;

  function kept(image) {
    if (choice.picked.length < most && !choice.has(image)) choice.toggle(image);
  }

  function ended() {
    part("search").value = "";
    library.look();
  }

  on(part("upload"), "click", () => part("file").click());
  on(part("file"), "change", ({ target }) => {
    add([...target.files]);
    target.value = "";
  });
  onFilesDropped(dialog, { shade: dialog, take: add, signal });
}

function beginUploads(dialog, url) {
  const kept = (image) => dialog.open && open.get(dialog).kept(image);
  const ended = (done) => (dialog.open ? open.get(dialog).ended() : showToast(_("已加入 {done} 张示例图", { done })));
  const opener = dialog.querySelector("[data-picker-upload]");
  return makeUploads(dialog.querySelector("[data-uploads]"), { url, atOnce: 1, opener, kept, ended });
}
