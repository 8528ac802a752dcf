// The panel of the large view: words and facts of the image, with buttons that copy them. On a wide screen it stays as it was left.

import { loadDetails } from "./details.js";
import { copyText } from "../ui/toast.js";
import { apply, show } from "../core/dom.js";
import { attempt } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { loadItem, saveItem } from "../core/storage.js";

const COPIED_MS = 1600;
const WORDS = { prompt: "[data-prompt]", negative_prompt: "[data-negative-prompt]", seed: "[data-seed]" };
const IS_OPEN = "lightbox.panel";
const NARROW = matchMedia("(width < 720px)");

export class LightboxPanel {
  #dialog;
  #request = {};
  #item = null;

  constructor(dialog) {
    this.#dialog = dialog;
    this.#part("[data-panel-toggle]").addEventListener("click", () => this.toggle());
    this.#part("[data-details-retry]").addEventListener("click", () => this.show(this.#item));
    this.#part("[data-panel]").addEventListener("click", ({ target }) => {
      const button = target.closest("[data-copy]");
      if (button) copyPart(button, String(this.#request[button.dataset.copy]));
    });
  }

  /** Open or close it as the large view opens. */
  restore() {
    this.#set(!NARROW.matches && Boolean(loadItem(IS_OPEN)));
  }

  open() {
    if (this.#part("[data-panel]").hidden) this.toggle();
  }

  toggle() {
    const isOpen = this.#part("[data-panel]").hidden;
    if (!isOpen && this.#part("[data-panel]").contains(document.activeElement)) this.#part("[data-panel-toggle]").focus();
    this.#set(isOpen);
    if (!NARROW.matches) saveItem(IS_OPEN, isOpen || null);
  }

  #set(isOpen) {
    show(this.#dialog, { "[data-panel]": { hidden: !isOpen }, "[data-panel-toggle]": { ariaExpanded: String(isOpen) } });
  }

  /** Load and show the details of an item; why that failed is shown in their place. */
  async show(item) {
    this.#item = item;
    show(this.#dialog, { "[data-details-error]": { hidden: true } });
    this.#render({ request: {}, metadata: new DocumentFragment() });
    await attempt(async () => {
      const details = await loadDetails(item);
      if (item === this.#item) this.#render(details);
    }, (sentence) => {
      if (item !== this.#item) return;
      show(this.#dialog, { "[data-details-message]": sentence, "[data-details-error]": { hidden: false } });
    });
  }

  #render({ request, metadata, price = "" }) {
    this.#request = request;
    show(this.#dialog, { "[data-price]": price, "[data-viewer-image]": { alt: request.prompt || "" } });
    for (const [name, selector] of Object.entries(WORDS)) {
      show(this.#dialog, { [selector]: request[name] ?? "" });
      apply(this.#part(selector).parentElement, { hidden: !this.#part(selector).textContent });
    }
    this.#part("[data-metadata-target]").replaceChildren(metadata.cloneNode(true));
  }

  #part(selector) {
    return this.#dialog.querySelector(selector);
  }
}

async function copyPart(button, text) {
  const isCopied = await copyText(text);
  const label = button.querySelector("span");
  label.textContent = isCopied ? _("已复制") : _("请手动选中复制");
  setTimeout(() => (label.textContent = _("复制")), COPIED_MS);
}
