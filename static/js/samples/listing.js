// The pictures on the page, as the server draws them: parts of them fetched, put in their place, counted, found.

import { lookAtFragment } from "../api.js";
import { fill, parse } from "../fragments.js";
import { renew } from "../renew.js";
import { _ } from "../words.js";

const keyOf = (sample) => sample.dataset.sample;

/** `version` grows with every change that is made here, so that an answer from before it can be told. */
export function listing(library) {
  const holder = library.querySelector("[data-holder]");
  const list = () => holder.querySelector("[data-samples]");
  const shown = {
    holder, list, find, count, bring, ask, draw, add, update,
    words: () => library.querySelector("[data-search]").value.trim(),
    total: () => Number(list().dataset.total),
    reached: () => list().children.length,
    version: 0,
  };

  /** A part of what the search finds (`offset`), or one picture (`key`). */
  async function ask(fields) {
    const { html } = await lookAtFragment(`${library.dataset.liveUrl}?${new URLSearchParams({ search: shown.words(), ...fields })}`, {});
    return html;
  }

  /** All of it anew. */
  function draw(html) {
    shown.version += 1;
    fill(holder, html);
    count();
  }

  /** The next part. */
  function add(html) {
    const next = [...parse(html).querySelectorAll("[data-sample]")];
    list().append(...next.filter((sample) => !find(keyOf(sample))));
    changed(holder);
  }

  /** What is there now, in place of what is shown: its notice, and all its pictures where they are given. */
  function update(part, samples) {
    swap(part, ".samples-notice", (notice) => holder.prepend(notice));
    swap(part, ".empty", (empty) => holder.append(empty));
    if (samples) renew(list(), samples, keyOf);
    list().dataset.total = part.querySelector("[data-samples]").dataset.total;
    list().toggleAttribute("data-unread", part.querySelector("[data-samples]").hasAttribute("data-unread"));
    count();
    changed(holder);
  }

  function swap(part, kind, put) {
    const [old, fresh] = [holder, part].map((place) => place.querySelector(kind));
    if (old?.dataset.says === fresh?.dataset.says) return; // or it would be read out again
    old?.remove();
    if (fresh) put(fresh);
  }

  /** The number beside the title; `step` when one came (1) or went (-1) here on the page. */
  function count(step = 0) {
    if (step) shown.version += 1;
    const n = shown.total() + step;
    list().dataset.total = String(n);
    library.querySelector("[data-counted]").hidden = !n && "unread" in list().dataset; // nobody knows how many there are
    library.querySelector("[data-count]").textContent = shown.words() ? _("找到 {n} 张", { n }) : _("共 {n} 张", { n });
  }

  /** The picture with this key, drawn anew by the server, in its old place or as the first. */
  async function bring(key, { before = null } = {}) {
    const fresh = parse(await ask({ key })).querySelector("[data-sample]");
    const there = find(key) ?? before;
    if (there) there.replaceWith(fresh);
    else list().prepend(fresh);
    count(there ? 0 : 1);
    shown.version += 1;
    holder.querySelector(".empty")?.remove();
    changed(fresh);
    return fresh;
  }

  function find(key) {
    return holder.querySelector(`[data-sample="${CSS.escape(key)}"]`);
  }

  return shown;
}

function changed(element) {
  element.dispatchEvent(new CustomEvent("fragment", { bubbles: true }));
}
