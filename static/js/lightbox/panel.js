// Beside the large picture: what it was made from, to read and to copy, and what can be done with it.

import { Failure } from "../api.js";
import { copy } from "../messages.js";
import { marks } from "./marks.js";
import { _ } from "../words.js";

/** Returns {describe(), perform(name)}; record(), host(), say(sentence), go(step) and leave() are the lightbox's. */
export function panel(dialog, { record, host, say, go, leave }) {
  const part = (name) => dialog.querySelector(`[data-${name}]`);
  const own = marks(dialog.dataset.favouriteUrl, { go, leave });
  let asked = {};

  function describe() {
    const facts = record()?.querySelector("template[data-facts]");
    asked = JSON.parse(record()?.dataset.request || "{}");
    part("image").alt = asked.prompt || "";
    for (const name of ["prompt", "negative-prompt", "seed"]) {
      const place = part(name);
      place.textContent = asked[name.replace("-", "_")] ?? "";
      place.parentElement.hidden = place.textContent === "";
    }
    part("facts-place").replaceChildren(facts ? facts.content.cloneNode(true) : "");
    part("facts-place").dispatchEvent(new CustomEvent("fragment", { bubbles: true }));
    offer();
  }

  /** Show what can be done with this picture: what the host offers, or else what its own tile does. */
  function offer() {
    const state = host().state?.(record()) ?? (record() ? own.state(record()) : new Set());
    for (const button of dialog.querySelectorAll("[data-do]")) {
      button.hidden = !isOffered(button.dataset.do);
      if (!button.hasAttribute("aria-pressed")) continue;
      const isOn = state.has(button.dataset.do);
      button.setAttribute("aria-pressed", String(isOn));
      button.querySelector(".icon-star")?.classList.toggle("icon-star-full", isOn);
    }
  }

  function isOffered(name) {
    if (host().offers) return host().offers(record()).includes(name);
    return Boolean(tileButton(name)) || Boolean(record() && own.offers(name, record()));
  }

  function tileButton(name) {
    return record()?.querySelector(`[data-action="${name}"]`);
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
      if (!(failure instanceof Failure)) throw failure;
      say(failure.message);
    }
    if (dialog.open) offer();
  }

  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do], [data-copy]");
    if (button?.dataset.do) perform(button.dataset.do);
    else if (button) copyPart(button, String(asked[button.dataset.copy]));
  });

  return { describe, perform };
}

async function copyPart(button, text) {
  const done = await copy(text);
  const word = button.querySelector("span");
  word.textContent = done ? _("已复制") : _("请手动选中复制");
  setTimeout(() => (word.textContent = _("复制")), 1600);
}
