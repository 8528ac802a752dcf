// What can be done with one picture of the library: copy its name, rename it, delete it with undo; by keyboard too.

import { HttpError, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { copyText, offerUndo, showToast } from "../ui/messages.js";

const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

export function actions(library, shown) {
  const deeds = { copy: copyName, rename, delete: remove };

  async function act(name, sample) {
    if (sample.dataset.busy) {
      sample.querySelector(".sample-new-name")?.focus();
      return;
    }
    sample.dataset.busy = "yes";
    complain(sample, "");
    try {
      await deeds[name](sample);
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      complain(sample, failure.message);
    } finally {
      delete sample.dataset.busy;
    }
  }

  async function copyName(sample) {
    const done = await copyText(sample.dataset.filename);
    showToast(done ? _("文件名已复制") : _("请手动复制：{filename}", { filename: sample.dataset.filename }));
  }

  /** The name becomes a field until it is kept or given up; one that is refused stays there, with the reason. */
  function rename(sample) {
    const name = sample.querySelector(".sample-name");
    const input = document.createElement("input");
    input.className = "input sample-new-name";
    input.maxLength = 200;
    input.value = sample.dataset.filename.replace(/\.[^.]+$/, "");
    input.setAttribute("aria-label", _("新名字：{filename}", { filename: sample.dataset.filename }));
    name.replaceWith(input);
    input.select();
    return new Promise((resolve, reject) => {
      async function save() {
        if (input.readOnly) return;
        input.readOnly = true;
        complain(sample, "");
        try {
          if (isOther(sample, input.value.trim())) await keepName(sample, input.value.trim());
          else close();
          resolve();
        } catch (failure) {
          if (failure instanceof HttpError) complain(sample, failure.message);
          else reject(failure);
        }
        input.readOnly = false;
      }

      function close() {
        const hadFocus = document.activeElement === input;
        input.onblur = null;
        input.replaceWith(name);
        if (hadFocus) sample.querySelector(".sample-link").focus({ preventScroll: true });
      }

      input.onblur = save;
      input.addEventListener("keydown", (event) => {
        event.stopPropagation();
        if (!["Enter", "Escape"].includes(event.key)) return;
        event.preventDefault();
        if (event.key === "Enter") save();
        else if (!input.readOnly) {
          close();
          complain(sample, "");
          resolve();
        }
      });
    });
  }

  function isOther(sample, filename) {
    return filename !== "" && `${filename}.` !== sample.dataset.filename.replace(/[^.]+$/, "");
  }

  async function keepName(sample, filename) {
    const { images } = await requestJson("PATCH", sample.dataset.url, { filename });
    const hadFocus = sample.contains(document.activeElement);
    const fresh = await shown.bring(images[0].key, { before: sample });
    if (hadFocus) fresh.querySelector(".sample-link").focus({ preventScroll: true });
  }

  async function remove(sample) {
    const next = sample.nextElementSibling || sample.previousElementSibling;
    await requestJson("DELETE", sample.dataset.url);
    const marker = document.createComment("");
    sample.replaceWith(marker);
    shown.count(-1);
    next?.querySelector("a").focus({ preventScroll: true });
    offerUndo(_("已删除「{filename}」", { filename: sample.dataset.filename }), () => restore(sample, marker));
    if (shown.reached()) return;
    await drawAnew();
    if (document.activeElement !== document.body) return; // somebody went on elsewhere
    (shown.holder.querySelector(".sample-link, .empty a") ?? library.querySelector("[data-files]")).focus({ preventScroll: true });
  }

  async function restore(sample, marker) {
    await requestJson("POST", `${sample.dataset.url}/restore`);
    if (!marker.isConnected) await drawAnew(); // something else was looked for meanwhile, or nothing was left
    if (marker.isConnected && !shown.find(sample.dataset.sample)) {
      marker.replaceWith(sample);
      shown.count(1);
    }
    shown.find(sample.dataset.sample)?.querySelector("a").focus();
  }

  /** The list once more; an answer that comes after something else was looked for is not drawn. */
  async function drawAnew() {
    const [words, { version }] = [shown.words(), shown];
    try {
      const html = await shown.ask({});
      if (words === shown.words() && version === shown.version) shown.draw(html);
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure; // the top bar says that nobody answers
    }
  }

  function complain(sample, sentence) {
    sample.querySelector("[data-error]").textContent = sentence;
  }

  function move(event, sample) {
    const all = [...library.querySelectorAll(".sample")];
    const at = all.indexOf(sample);
    const across = all.filter(({ offsetTop }) => offsetTop === all[0].offsetTop).length;
    const step = { ...STEPS, ArrowDown: across, ArrowUp: -across }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = all[Math.max(0, Math.min(at + step, all.length - 1))];
    next.querySelector("a").focus();
  }

  library.addEventListener("click", (event) => {
    const button = event.target.closest("[data-command]");
    if (button) act(button.dataset.command, button.closest(".sample"));
  });
  library.addEventListener("keydown", (event) => {
    const sample = event.target.closest(".sample-link")?.closest(".sample");
    if (!sample || event.ctrlKey || event.metaKey || event.altKey) return;
    const deed = { F2: "rename", Delete: "delete" }[event.key];
    if (deed) act(deed, sample);
    else move(event, sample);
  });
}
