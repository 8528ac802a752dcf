// <image-lightbox>: images large, one after another, with their details and commands. It opens for links with
// data-image-url; the nearest element with data-record-id is the item of a link (details.js). Items with data-row-number
// belong together by row (lightbox_rows.js). Template: partials/lightbox.html.

import { HttpError, messageOf } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { loadDetails } from "./details.js";
import { ImageViewer } from "./image_viewer.js";
import { captionOf, firstOfNextRow, ofSameRow } from "./lightbox_rows.js";
import { bindMenu } from "./menu.js";
import "./order_button.js";
import { copyText } from "./toast.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
const ZOOM_FACTORS = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 };
const COMMANDS = { f: "favourite", p: "keep", x: "reject", c: "compare", " ": "select", Delete: "delete" };
const CHOICES = ["keep", "reject"]; // after these the next image is shown
const SCOPE = "[data-lightbox-scope]";
const LOADING_DELAY_MS = 300;
const COPIED_MS = 1600;

class ImageLightbox extends HTMLElement {
  /**
   * What a page adds, all optional:
   * commands(item)            names of data-command that run() performs; the others press the item's own button
   * run(name, item)           may reject with HttpError; a choice is to be visible to isOn() at once
   * isOn(name, item)          whether a toggle is pressed
   * position(item)            e.g. "12 / 300"
   * hasMore(step, item)       whether there are images beyond the list
   * loadAdjacent(step, item)  resolves to the link of the next one beyond, or null; may reject with HttpError
   * shown(item)               called for each image, and with null after closing; such a host keeps the history itself
   */
  host = {};

  #dialog;
  #viewer;
  #link = null;
  #scope = null;
  #request = {};
  #isLoadingAdjacent = false;

  connectedCallback() {
    this.#dialog = this.querySelector("dialog");
    this.#viewer = new ImageViewer(this.#part("viewer-canvas"), { onSwipe: (step) => this.go(step), onSwipeDown: () => this.close() });
    this.#dialog.addEventListener("keydown", (event) => this.#onKey(event));
    this.#dialog.addEventListener("click", (event) => this.#onClick(event));
    this.#dialog.addEventListener("close", () => this.#onClosed());
    document.addEventListener("click", (event) => this.#onLinkClick(event));
    addEventListener("popstate", () => this.host.shown || this.close());
    document.addEventListener("pick-undone", ({ detail }) => this.#onPickUndone(detail));
    bindMenu(this.#part("lightbox-more"));
    if (hasHistoryEntry()) history.replaceState(null, ""); // the page was reloaded while the dialog was open
  }

  get isOpen() {
    return this.#dialog.open;
  }

  /** The item of the image that is shown. */
  get item() {
    return itemOf(this.#link);
  }

  open(link) {
    this.present(link);
    if (!this.isOpen) this.#dialog.showModal();
    this.#dialog.focus();
    if (!this.host.shown && !hasHistoryEntry()) history.pushState({ isLightbox: true }, ""); // "back" closes it
  }

  close() {
    this.#dialog.close();
  }

  /** Show another image of the list, in the open dialog. */
  present(link) {
    this.#link = link;
    this.#scope = link.closest(SCOPE);
    const links = this.#links();
    const at = this.#indexIn(links);
    this.#viewer.reset();
    this.#viewer.show(link);
    this.showPlace();
    this.#part("download").href = link.dataset.imageUrl;
    this.#updateCommands();
    this.#showDetails();
    this.host.shown?.(this.item);
    [links[at + 1], links[at - 1]].filter(Boolean).forEach(preload);
  }

  /** Say where the image stands in the list; called again when there are more of them. */
  showPlace() {
    const links = this.#links();
    const at = this.#indexIn(links);
    this.#part("caption").textContent = captionOf(this.item);
    this.#part("position").textContent = this.host.position?.(this.item) ?? `${at + 1} / ${links.length}`;
    this.#part("previous").disabled = at <= 0 && !this.host.hasMore?.(-1, this.item);
    this.#part("next").disabled = at >= links.length - 1 && !this.host.hasMore?.(1, this.item);
    if (document.activeElement?.disabled) this.#dialog.focus(); // a disabled button would swallow the next key
  }

  /** Go to the next or previous image (±1), the first or the last one (±Infinity). */
  async go(step) {
    const links = this.#links();
    const isFar = Math.abs(step) === Infinity;
    const link = isFar ? links.at(step > 0 ? -1 : 0) : links[this.#indexIn(links) + step];
    if (link && !(isFar && this.host.hasMore?.(step, this.item))) this.present(link);
    else if (this.host.loadAdjacent && !this.#isLoadingAdjacent) await this.#goBeyond(step, isFar);
  }

  async #goBeyond(step, isFar) {
    const timer = setTimeout(() => this.#viewer.showMessage(_("正在翻页…")), LOADING_DELAY_MS);
    this.#isLoadingAdjacent = true;
    try {
      const link = await this.host.loadAdjacent(step, this.item);
      if (link && this.isOpen) this.present(link);
      else this.#viewer.showMessage(isFar ? "" : _("没有更多图片了"));
    } catch (error) {
      this.#showError(error);
    } finally {
      clearTimeout(timer);
      this.#isLoadingAdjacent = false;
    }
  }

  async #showDetails() {
    const link = this.#link;
    this.#part("details-error").hidden = true;
    this.#renderDetails({ request: {}, metadata: new DocumentFragment() });
    try {
      const details = await loadDetails(this.item);
      if (link === this.#link) this.#renderDetails(details);
    } catch (error) {
      if (link !== this.#link) return;
      this.#part("details-message").textContent = messageOf(error);
      this.#part("details-error").hidden = false;
    }
  }

  #renderDetails({ request, metadata, price = "" }) {
    this.#request = request;
    this.#part("price").textContent = price;
    this.#part("viewer-image").alt = request.prompt || "";
    for (const name of ["prompt", "negative_prompt", "seed"]) {
      const element = this.#part(name.replace("_", "-"));
      element.textContent = request[name] ?? "";
      element.parentElement.hidden = element.textContent === "";
    }
    this.#part("metadata-target").replaceChildren(metadata.cloneNode(true));
  }

  #updateCommands() {
    for (const button of this.#dialog.querySelectorAll("[data-command]")) {
      button.hidden = !this.#isOffered(button.dataset.command);
      if (!button.hasAttribute("aria-pressed")) continue;
      const isOn = Boolean(this.host.isOn?.(button.dataset.command, this.item));
      button.setAttribute("aria-pressed", String(isOn));
      button.querySelector(".icon-star")?.classList.toggle("icon-star-full", isOn);
    }
    this.#part("lightbox-more").hidden = !this.#part("lightbox-more").querySelector("[data-command]:not([hidden])");
  }

  #isOffered(name) {
    return this.#isHosted(name) || Boolean(this.#itemButton(name));
  }

  #isHosted(name) {
    return Boolean(this.host.commands?.(this.item).includes(name));
  }

  #itemButton(name) {
    return this.item?.querySelector(`[data-command="${name}"]`);
  }

  async #run(name, { stays = false } = {}) {
    if (!this.#isOffered(name)) return;
    if (!this.#isHosted(name)) {
      this.close();
      this.#itemButton(name).click();
      return;
    }
    const link = this.#link;
    try {
      const running = this.host.run(name, this.item);
      if (CHOICES.includes(name) && !stays && this.host.isOn(name, this.item)) this.go(1);
      await running;
    } catch (error) {
      if (link.isConnected && this.isOpen && link !== this.#link) this.present(link);
      this.#showError(error);
    }
    if (this.isOpen) this.#updateCommands();
  }

  /** Keep the image of this number in the row of the shown one, and show it. */
  #keepOfRow(number) {
    const link = ofSameRow(this.#links(), this.item, number);
    if (!link) return this.#viewer.showMessage(_("这一行没有第 {n} 张图", { n: number }));
    if (link !== this.#link) this.present(link);
    return this.host.isOn("keep", this.item) ? undefined : this.#run("keep", { stays: true });
  }

  #goToNextRow() {
    const links = this.#links();
    const link = firstOfNextRow(links, this.#indexIn(links));
    if (link) this.present(link);
    else if (this.host.hasMore?.(1, this.item)) this.#goBeyond(1, false);
    else this.#viewer.showMessage(_("这是最后一行"));
  }

  /** The choice of an image was undone: show that image again. */
  #onPickUndone(id) {
    const link = this.isOpen && this.#links().find((one) => itemOf(one)?.dataset.recordId === String(id));
    if (link) this.present(link);
  }

  #showError(error) {
    if (!(error instanceof HttpError)) throw error;
    this.#viewer.showMessage(error.message);
  }

  #onLinkClick(event) {
    const link = event.target.closest("[data-image-url]");
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.open(link);
  }

  #onClick(event) {
    const button = event.target.closest("button");
    if (!button) this.#onBackdropClick(event);
    else if (button === this.#part("previous")) this.go(-1);
    else if (button === this.#part("next")) this.go(1);
    else if (button === this.#part("details-retry")) this.#showDetails();
    else if (button.dataset.command) this.#run(button.dataset.command);
    else if (button.dataset.copy) copyPart(button, String(this.#request[button.dataset.copy]));
  }

  #onBackdropClick(event) {
    const isOnCanvas = this.#part("viewer-canvas").contains(event.target);
    if (isOnCanvas && !this.#viewer.isZoomed && !this.#viewer.wasDragged && !this.#viewer.isOnImage(event)) this.close();
  }

  #onKey(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isOnControl = target.matches("button, a, summary");
    const command = COMMANDS[key.length === 1 ? key.toLowerCase() : key];
    if (key in STEPS) this.go(STEPS[key]);
    else if (key in ZOOM_FACTORS) this.#viewer.zoom(ZOOM_FACTORS[key]);
    else if (key.toLowerCase() === "d") this.#part("download").click();
    else if (command && !(key === " " && isOnControl)) this.#run(command);
    else if (captionOf(this.item) && key >= "1" && key <= "9") this.#keepOfRow(Number(key));
    else if (captionOf(this.item) && key === "Enter" && !isOnControl) this.#goToNextRow();
    else return;
    event.preventDefault();
  }

  #onClosed() {
    const links = this.#links();
    const link = links[this.#indexIn(links)];
    link?.focus({ preventScroll: true });
    link?.scrollIntoView({ block: "nearest" });
    this.host.shown?.(null);
    if (hasHistoryEntry()) history.back();
  }

  #part(name) {
    return this.#dialog.querySelector(`[data-${name}]`);
  }

  #links() {
    const links = [...(this.#scope ?? document).querySelectorAll("[data-image-url]")];
    return links.filter((link) => link.closest(SCOPE) === this.#scope);
  }

  /** Where the image is among the links; the list may have been rendered again. */
  #indexIn(links) {
    return links.findIndex(({ dataset }) => dataset.imageUrl === this.#link.dataset.imageUrl);
  }
}

customElements.define("image-lightbox", ImageLightbox);

/** The one of this page. */
export const lightbox = document.querySelector("image-lightbox");

function itemOf(link) {
  return link.closest("[data-record-id]");
}

function preload(link) {
  new Image().src = link.dataset.imageUrl;
  loadDetails(itemOf(link)).catch(() => null); // asked for again when it is shown
}

function hasHistoryEntry() {
  return Boolean(history.state?.isLightbox);
}

async function copyPart(button, text) {
  const isCopied = await copyText(text);
  const label = button.querySelector("span");
  label.textContent = isCopied ? _("已复制") : _("请手动选中复制");
  setTimeout(() => (label.textContent = _("复制")), COPIED_MS);
}
