// Pictures large: one after another, with their parameters. Links carry data-full; the nearest element with
// data-record-id tells the rest (data-request, <template data-facts>). The dialog is _lightbox.html.

import { copy } from "./messages.js";
import { zoom } from "./zoom.js";

let show = null;

/** Open links with data-full inside `scope` large. */
export function lightbox(scope) {
  scope.addEventListener("click", (event) => {
    const link = event.target.closest("[data-full]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openLightbox(link);
  });
}

/** Open one such link; its neighbours are those of the nearest [data-lightbox-scope]. */
export function openLightbox(link) {
  show ??= build(document.querySelector("[data-lightbox]"));
  show(link);
}

function build(dialog) {
  const part = (name) => dialog.querySelector(`[data-${name}]`);
  const image = part("image");
  const view = zoom(part("stage"), image, { step: go, close: () => dialog.close() });
  let scope = document;
  let current = null;

  const links = () => [...scope.querySelectorAll("[data-full]")];
  const index = () => links().findIndex((link) => link.dataset.full === current.dataset.full);

  function open(link) {
    scope = link.closest("[data-lightbox-scope]") || document;
    present(link);
    dialog.showModal();
  }

  function go(step) {
    const all = links();
    const at = step === -Infinity ? 0 : step === Infinity ? all.length - 1 : index() + step;
    if (all[at]) present(all[at]);
  }

  function present(link) {
    current = link;
    const all = links();
    const at = index();
    view.reset();
    load(link);
    part("position").textContent = `${at + 1} / ${all.length}`;
    part("previous").disabled = at <= 0;
    part("next").disabled = at >= all.length - 1;
    if (document.activeElement?.disabled) dialog.focus(); // a disabled button would swallow the next key
    part("download").href = link.dataset.full;
    describe(link);
    for (const neighbour of [all[at + 1], all[at - 1]]) if (neighbour) new Image().src = neighbour.dataset.full;
  }

  function load(link) {
    const small = link.querySelector("img")?.currentSrc || "";
    const whole = new Image();
    image.src = small || link.dataset.full;
    whole.src = link.dataset.full;
    const late = setTimeout(() => say("正在载入…"), 300);
    whole.onload = () => settle("");
    whole.onerror = () => settle("加载失败，图片文件可能已被移走");
    function settle(sentence) {
      clearTimeout(late);
      if (link !== current) return;
      if (!sentence) image.src = whole.src;
      say(sentence);
    }
  }

  function say(sentence) {
    part("word").textContent = sentence;
    part("word").hidden = !sentence;
  }

  function describe(link) {
    const record = link.closest("[data-record-id]");
    const asked = JSON.parse(record?.dataset.request || "{}");
    const facts = record?.querySelector("template[data-facts]");
    image.alt = asked.prompt || "";
    part("prompt").textContent = asked.prompt || "";
    part("negative").textContent = asked.negative_prompt || "";
    part("negative-part").hidden = !asked.negative_prompt;
    part("seed").textContent = asked.seed ?? "";
    part("seed-part").hidden = asked.seed == null;
    part("facts-place").replaceChildren(facts ? facts.content.cloneNode(true) : "");
    part("facts-place").dispatchEvent(new CustomEvent("fragment", { bubbles: true }));
    dialog.asked = asked;
  }

  dialog.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    const sizes = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 };
    if (event.key in steps) go(steps[event.key]);
    else if (event.key in sizes && !event.ctrlKey && !event.metaKey) view.by(sizes[event.key]);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    const home = links().find((link) => link.dataset.full === current.dataset.full);
    home?.focus({ preventScroll: true });
    home?.scrollIntoView({ block: "nearest" });
  });
  part("previous").addEventListener("click", () => go(-1));
  part("next").addEventListener("click", () => go(1));
  for (const button of dialog.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const done = await copy(String(dialog.asked[button.dataset.copy]));
      const word = button.querySelector("span");
      word.textContent = done ? "已复制" : "请手动选中复制";
      setTimeout(() => (word.textContent = "复制"), 1600);
    });
  }
  return open;
}
