// <picture-size>: how large the pictures of lists are, the same on all pages and kept in this browser.
// <html data-pictures="small"> or "large" is what the style sheets read; theme.js sets it before the first paint.

import { _ } from "../core/i18n.js";
import { saveItem } from "../core/storage.js";

const SIZES = ["small", "medium", "large"];

class PictureSize extends HTMLElement {
  connectedCallback() {
    const slider = this.querySelector("input");
    slider.value = SIZES.indexOf(document.documentElement.dataset.pictures ?? "medium");
    describe(slider);
    slider.addEventListener("input", () => choose(slider));
  }
}

function choose(slider) {
  const size = SIZES[slider.value];
  document.documentElement.dataset.pictures = size;
  saveItem("pictures.size", size);
  describe(slider);
}

function describe(slider) {
  slider.setAttribute("aria-valuetext", [_("小"), _("中"), _("大")][slider.value]);
}

customElements.define("picture-size", PictureSize);
