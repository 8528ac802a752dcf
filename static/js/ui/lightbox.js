// Pictures large: one after another, with their parameters. Links carry data-image-url; the nearest element with
// data-record-id tells the rest (data-request, <template data-metadata>). The dialog is partials/lightbox.html.
// A page may be its host: know what lies beyond the list, and do more with a picture than its tile can.

import { HttpError, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { makeViewerImage, makeZoom } from "./image_viewer.js";
import { copyText } from "./messages.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
const SIZES = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 };
const DEEDS = { f: "favourite", p: "pick", x: "reject", c: "compare", " ": "select", Delete: "delete" };
const SCOPE = "[data-lightbox-scope]";
const hosts = new WeakMap();
let box = null;

/** Open links with data-image-url inside `scope` large. */
export function lightbox(scope) {
  scope.addEventListener("click", (event) => {
    const link = event.target.closest("[data-image-url]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openLightbox(link);
  });
}

/** Open one such link; its neighbours are those of the nearest [data-lightbox-scope]. */
export function openLightbox(link) {
  box ??= build(document.querySelector("[data-lightbox]"));
  box.open(link);
}

/**
 * What an element with data-lightbox-host adds, all optional: offers (names of data-command), deed(name, record),
 * place(record) -> "12 / 300", has(step, record), beyond(step, record) -> link (may reject with a HttpError), shown(record), state(record) -> Set.
 * Returns the box: {isOpen(), present(link), go(step), say(sentence), close()}.
 */
export function hostLightbox(element, host) {
  hosts.set(element, host);
  box ??= build(document.querySelector("[data-lightbox]"));
  return box;
}

/** Whether a point lies on the picture, which may be smaller than its element. */
function isOnPicture(image, { clientX, clientY }) {
  const { left, top, width, height } = image.getBoundingClientRect();
  const padding = 2 * Number.parseFloat(getComputedStyle(image).paddingLeft);
  const scale = Math.min((width - padding) / image.naturalWidth, (height - padding) / image.naturalHeight);
  const across = Math.abs(clientX - left - width / 2) * 2;
  const down = Math.abs(clientY - top - height / 2) * 2;
  return across <= image.naturalWidth * scale && down <= image.naturalHeight * scale;
}

function build(dialog) {
  const part = (name) => dialog.querySelector(`[data-${name}]`);
  let scope = null;
  let hostElement = null;
  let current = null;
  let going = false;

  const view = makeZoom(part("viewer-canvas"), part("viewer-image"), { step: go, close: () => dialog.close() });
  const { show, say } = makeViewerImage(part("viewer-canvas"));
  const record = () => current.closest("[data-record-id]");
  const host = () => hosts.get(hostElement) ?? {};
  const { describe, perform } = makePanel(dialog, { record, host, say, go, leave });
  const back = bindBackButton(dialog);
  const links = () => [...(scope ?? document).querySelectorAll("[data-image-url]")].filter((link) => link.closest(SCOPE) === scope);
  const index = () => links().findIndex((link) => link.dataset.imageUrl === current.dataset.imageUrl);

  function open(link) {
    present(link);
    if (!dialog.open) dialog.showModal();
    dialog.focus();
    if (!host().shown) back.opened(); // a host keeps the address itself
  }

  /** This picture goes: the next one is shown, or the one before, or none. */
  function leave() {
    const all = links();
    const at = index();
    const other = all[at + 1] ?? all[at - 1];
    if (other) present(other);
    else dialog.close();
  }

  async function go(step) {
    const all = links();
    const at = step === -Infinity ? 0 : step === Infinity ? all.length - 1 : index() + step;
    const isFar = Math.abs(step) === Infinity;
    if (all[at] && !(isFar && host().has?.(step, record()))) return present(all[at]);
    if (going || !host().beyond) return undefined;
    going = true;
    const late = setTimeout(() => say(_("正在翻页…")), 300);
    try {
      const link = await host().beyond(step, record());
      if (link && dialog.open) present(link);
      else say(isFar ? "" : _("没有更多图片了"));
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      say(failure.message);
    } finally {
      clearTimeout(late);
      going = false;
    }
    return undefined;
  }

  function present(link) {
    current = link;
    scope = link.closest(SCOPE);
    hostElement = link.closest("[data-lightbox-host]");
    const all = links();
    const at = index();
    view.reset();
    show(link);
    part("position").textContent = host().place?.(record()) ?? `${at + 1} / ${all.length}`;
    part("previous").disabled = at <= 0 && !host().has?.(-1, record());
    part("next").disabled = at >= all.length - 1 && !host().has?.(1, record());
    if (document.activeElement?.disabled) dialog.focus(); // a disabled button would swallow the next key
    part("download").href = link.dataset.imageUrl;
    describe();
    host().shown?.(record());
    for (const neighbour of [all[at + 1], all[at - 1]]) if (neighbour) new Image().src = neighbour.dataset.imageUrl;
  }

  dialog.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const deed = DEEDS[key.length === 1 ? key.toLowerCase() : key];
    if (key in STEPS) go(STEPS[key]);
    else if (key in SIZES) view.by(SIZES[key]);
    else if (key.toLowerCase() === "d") part("download").click();
    else if (deed && !(key === " " && target.matches("button, a"))) perform(deed);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    const home = links().find((link) => link.dataset.imageUrl === current.dataset.imageUrl);
    home?.focus({ preventScroll: true });
    home?.scrollIntoView({ block: "nearest" });
    host().shown?.(null);
    back.closed();
  });
  part("viewer-canvas").addEventListener("click", (event) => {
    if (event.target.closest("button") || view.isZoomed() || view.wasDragged() || isOnPicture(part("viewer-image"), event)) return;
    dialog.close();
  });
  part("previous").addEventListener("click", () => go(-1));
  part("next").addEventListener("click", () => go(1));
  return { open, present, go, say, isOpen: () => dialog.open, close: () => dialog.close() };
}

// Going back closes the large view: while it is open it has an entry of its own in the history of the tab.

/** Returns {opened(), closed()}, to be called when the dialog was opened and closed. */
function bindBackButton(dialog) {
  const isOurs = () => Boolean(history.state?.largeView);

  addEventListener("popstate", () => dialog.open && dialog.close());
  if (isOurs()) history.replaceState(null, ""); // the page was reloaded while it was open

  return {
    opened: () => isOurs() || history.pushState({ largeView: true }, ""),
    closed: () => isOurs() && history.back(),
  };
}

// Favourite, keep and reject in the large view of pages without a host for it.


/** url: where favourites are set. go(step), leave(): to the next picture, and to the one that takes the place of this. */
function makeMarks(url, { go, leave }) {
  async function setFavourite(record, favourite) {
    await requestJson("POST", url, { ids: [Number(record.dataset.recordId)], favourite });
    record.toggleAttribute("data-favourite", favourite);
  }

  const actions = {
    favourite: (record) => setFavourite(record, !("favourite" in record.dataset)),
    async pick(record) {
      if (!("favourite" in record.dataset)) await setFavourite(record, true);
      go(1);
    },
    reject(record) {
      const button = record.querySelector('[data-command="delete"]');
      leave();
      button.click();
    },
  };

  return {
    offers: (name, record) => name in actions && (name !== "reject" || Boolean(record.querySelector('[data-command="delete"]'))),
    state: (record) => new Set("favourite" in record.dataset ? ["favourite"] : []),
    perform: (name, record) => actions[name](record),
  };
}

// Beside the large picture: what it was made from, to read and to copy, and what can be done with it.


/** Returns {describe(), perform(name)}; record(), host(), say(sentence), go(step) and leave() are the lightbox's. */
function makePanel(dialog, { record, host, say, go, leave }) {
  const part = (name) => dialog.querySelector(`[data-${name}]`);
  const own = makeMarks(dialog.dataset.favouriteUrl, { go, leave });
  let asked = {};

  function describe() {
    const facts = record()?.querySelector("template[data-metadata]");
    asked = JSON.parse(record()?.dataset.request || "{}");
    part("viewer-image").alt = asked.prompt || "";
    for (const name of ["prompt", "negative-prompt", "seed"]) {
      const place = part(name);
      place.textContent = asked[name.replace("-", "_")] ?? "";
      place.parentElement.hidden = place.textContent === "";
    }
    part("metadata-target").replaceChildren(facts ? facts.content.cloneNode(true) : "");
    offer();
  }

  /** Show what can be done with this picture: what the host offers, or else what its own tile does. */
  function offer() {
    const state = host().state?.(record()) ?? (record() ? own.state(record()) : new Set());
    for (const button of dialog.querySelectorAll("[data-command]")) {
      button.hidden = !isOffered(button.dataset.command);
      if (!button.hasAttribute("aria-pressed")) continue;
      const isOn = state.has(button.dataset.command);
      button.setAttribute("aria-pressed", String(isOn));
      button.querySelector(".icon-star")?.classList.toggle("icon-star-full", isOn);
    }
  }

  function isOffered(name) {
    if (host().offers) return host().offers(record()).includes(name);
    return Boolean(tileButton(name)) || Boolean(record() && own.offers(name, record()));
  }

  function tileButton(name) {
    return record()?.querySelector(`[data-command="${name}"]`);
  }

  async function perform(name) {
    if (!isOffered(name)) return;
    const isOwn = !host().deed && own.offers(name, record());
    if (!host().deed && !isOwn) {
      dialog.close();
      tileButton(name).click();
      return;
    }
    try {
      await (isOwn ? own.perform(name, record()) : host().deed(name, record()));
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      say(failure.message);
    }
    if (dialog.open) offer();
  }

  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("[data-command], [data-copy]");
    if (button?.dataset.command) perform(button.dataset.command);
    else if (button) copyPart(button, String(asked[button.dataset.copy]));
  });

  return { describe, perform };
}

async function copyPart(button, text) {
  const done = await copyText(text);
  const word = button.querySelector("span");
  word.textContent = done ? _("已复制") : _("请手动选中复制");
  setTimeout(() => (word.textContent = _("复制")), 1600);
}
