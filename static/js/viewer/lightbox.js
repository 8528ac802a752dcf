// <image-lightbox>: images large, one after another, with their details (panel.js) and commands. It opens for links
// with data-image-url; the nearest element with data-record-id is the item of a link (details.js). Items with
// data-row-number belong together by row (pictures.js). Template: partials/lightbox.html.

import { loadDetails } from "./details.js";
import { ImageViewer } from "./image_viewer.js";
import { openList } from "../ui/open_list.js";
import { fadeWhenIdle } from "./idle.js";
import { buttonOf, captionOf, firstOfNextRow, isHosted, isOffered, itemOf, ofSameRow, showCommands } from "./pictures.js";
import { LightboxPanel } from "./panel.js";
import { show } from "../core/dom.js";
import { HttpError } from "../core/http.js";
import { _ } from "../core/i18n.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
const ZOOM_FACTORS = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 };
const COMMANDS = { p: "keep", x: "reject", c: "compare", r: "retouch", " ": "select", Delete: "delete" };
const CHOICES = ["keep", "reject"]; // after these the next image is shown
const SCOPE = "[data-lightbox-scope]";
const LOADING_DELAY_MS = 300;
const PASSING_MS = 150;

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
  #panel;
  #idle;
  #link = null;
  #scope = null;
  #isLoadingAdjacent = false;
  #presentedAt = -Infinity;
  #resting = 0;

  connectedCallback() {
    this.#dialog = this.querySelector("dialog");
    this.#panel = new LightboxPanel(this.#dialog);
    this.#idle = fadeWhenIdle(this.#dialog);
    this.#viewer = new ImageViewer(this.#part("[data-viewer-canvas]"), {
      onSwipe: (step) => this.go(step),
      onPull: (share) => this.#showPulled(share),
      onClose: () => this.close(),
      onTap: (event) => this.#onTap(event),
    });
    this.#dialog.addEventListener("keydown", (event) => this.#onKey(event));
    this.#dialog.addEventListener("click", (event) => this.#onClick(event));
    this.#dialog.addEventListener("close", () => this.#onClosed());
    document.addEventListener("click", (event) => this.#onLinkClick(event));
    addEventListener("popstate", () => this.host.shown || this.close());
    document.addEventListener("pick-undone", ({ detail }) => this.#onPickUndone(detail));
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
    if (!this.isOpen) {
      this.#panel.restore();
      this.#dialog.showModal();
    }
    this.#dialog.focus();
    this.#idle.wake();
    if (!this.host.shown && !hasHistoryEntry()) history.pushState({ isLightbox: true }, ""); // "back" closes it
  }

  close() {
    this.#dialog.close();
  }

  showPanel() {
    this.#panel.open();
  }

  /** Show another image of the list, in the open dialog. */
  present(link) {
    this.#link = link;
    this.#scope = link.closest(SCOPE);
    const links = this.#links();
    const at = this.#indexIn(links);
    const isPassing = performance.now() - this.#presentedAt < PASSING_MS; // by a held key
    this.#presentedAt = performance.now();
    clearTimeout(this.#resting);
    this.#viewer.reset();
    this.#viewer.show(link, isPassing);
    this.showPlace();
    this.#part("[data-download]").href = link.dataset.imageUrl;
    this.#showCommands();
    if (!isPassing) this.#panel.show(this.item);
    this.host.shown?.(this.item);
    const neighbours = [links[at + 1], links[at - 1]].filter(Boolean);
    if (!isPassing) neighbours.forEach(preload);
    else this.#resting = setTimeout(() => [this.#viewer.showWhole(), this.#panel.show(this.item), ...neighbours.map(preload)], PASSING_MS);
  }

  /** Say where the image stands in the list; called again when there are more of them. */
  showPlace() {
    const links = this.#links();
    const at = this.#indexIn(links);
    show(this.#dialog, {
      "[data-caption]": captionOf(this.item),
      "[data-position]": this.host.position?.(this.item) ?? `${at + 1} / ${links.length}`,
      "[data-previous]": { disabled: at <= 0 && !this.host.hasMore?.(-1, this.item) },
      "[data-next]": { disabled: at >= links.length - 1 && !this.host.hasMore?.(1, this.item) },
    });
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

  #showCommands() {
    const isWhole = [-1, 1].every((step) => !this.host.hasMore?.(step, this.item));
    showCommands(this.#dialog, this.host, this.item, isWhole ? this.#links().map(itemOf) : []);
  }

  async #run(name, { stays = false } = {}) {
    if (!isOffered(this.host, this.item, name)) return;
    if (!isHosted(this.host, this.item, name)) {
      this.close();
      buttonOf(this.item, name).click();
      return;
    }
    const link = this.#link;
    const sign = name === "again" ? _("正在提交…") : "";
    if (sign) this.#viewer.showMessage(sign);
    try {
      const running = this.host.run(name, this.item);
      if (CHOICES.includes(name) && !stays && this.host.isOn(name, this.item)) this.go(1);
      await running;
      if (sign && this.#viewer.message === sign) this.#viewer.showMessage("");
    } catch (error) {
      if (link.isConnected && this.isOpen && link !== this.#link) this.present(link);
      this.#showError(error);
    }
    if (this.isOpen) this.#showCommands();
  }

  /** Show the next image, or the previous one, or close, because this item goes away. */
  async leave(item) {
    for (const step of [1, -1]) if (this.item === item) await this.go(step);
    if (this.item === item) this.close();
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
    if (!button) return void (this.#viewer.isBeside(event) && this.close());
    if (button === this.#part("[data-previous]")) this.go(-1);
    else if (button === this.#part("[data-next]")) this.go(1);
    else if (button.dataset.command) this.#run(button.dataset.command);
  }

  /** A tap on the image hides the buttons; any tap shows them again; one beside the image closes. */
  #onTap(event) {
    if (this.#viewer.isOnImage(event) || this.#dialog.classList.contains("is-idle")) this.#idle.toggle();
    else this.close();
  }

  /** The page shows through while a finger pulls the image down. */
  #showPulled(share) {
    this.#dialog.style.setProperty("--pulled", share);
    this.#dialog.classList.toggle("is-pulled", share > 0);
  }

  #onKey(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isOnControl = target.matches("button, a, summary");
    const command = COMMANDS[key.length === 1 ? key.toLowerCase() : key];
    if (key in STEPS) this.go(STEPS[key]);
    else if (key in ZOOM_FACTORS) this.#viewer.zoom(ZOOM_FACTORS[key]);
    else if (key.toLowerCase() === "d") this.#part("[data-download]").click();
    else if (key.toLowerCase() === "i") this.#panel.toggle();
    else if (key === "?") openList("shortcuts");
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

  #part(selector) {
    return this.#dialog.querySelector(selector);
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

function preload(link) {
  new Image().src = link.dataset.imageUrl;
  loadDetails(itemOf(link)).catch(() => null); // asked for again when it is shown
}

function hasHistoryEntry() {
  return Boolean(history.state?.isLightbox);
}
