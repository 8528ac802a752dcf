// The grid of 看图: where each picture stands, and of the lines only those in view as elements.

import { HEAD, layOut, linesBetween, nearestOn } from "./gallery_layout.js";
import { createPart, createSet, markShot, signatureOf, signatureOfSet } from "./gallery_shots.js";
import { reconcileChildren } from "../core/dom.js";

const WITH_WORDS = 260; // px: from this height on the words stand below the pictures
const WORDS_HEIGHT = 44;
const [SET_WIDTH, SET_HEIGHT, WIDE] = [176, 30, 700]; // px: the name of a product stands beside its pictures where the page is wide, else above

export class GalleryGrid {
  groups = []; // {row, shown, isOpen, set: of setsOf(), if it is of a product} and what lookAt() of gallery_rows.js has of it
  #scroll;
  #list;
  #marksOf;
  #holder;
  #size = 0;
  #lines = [];
  #shots = new Map(); // key -> shot, with its `line` and the index of its `group`, in their order
  #drawn = new WeakMap(); // element -> its signature
  #frame = 0;

  /** marksOf(shot) -> {pick, isSelected, isCurrent, error} of markShot(). */
  constructor(holder, marksOf) {
    const scroll = holder.querySelector("[data-gallery-scroll]");
    this.#holder = holder;
    this.#scroll = scroll;
    this.#list = holder.querySelector("[data-gallery-lines]");
    this.#marksOf = marksOf;
    scroll.addEventListener("scroll", () => { this.#frame ||= requestAnimationFrame(() => this.draw()); }, { passive: true });
  }

  shotOf(key) {
    return this.#shots.get(key);
  }

  elementOf(key) {
    return this.#list.querySelector(`[data-shot-key="${key}"] [data-shot]`);
  }

  /** Whether these groups are in view at once with pictures of this size, px. */
  fits(groups, size) {
    return layOut(ratiosOf(groups), { width: this.#list.clientWidth, height: size, foot: this.#foot }).height <= this.#scroll.clientHeight;
  }

  /** Arrange these groups, as tall as `size`. What is current, or the first in view, stays where it is. */
  arrange(groups, size, current) {
    const anchor = this.#anchor(current);
    Object.assign(this, { groups });
    this.#size = size;
    const [ratios, width] = [ratiosOf(groups), this.#list.clientWidth];
    const starts = new Set(groups.flatMap(({ set }, index) => (set === groups[index - 1]?.set ? [] : [index])));
    const [beside, above] = width >= WIDE ? [SET_WIDTH, 0] : [0, SET_HEIGHT];
    const sets = groups.some(({ set }) => set) ? { starts, beside, above } : null;
    const { lines, height } = layOut(ratios, { width, height: size, foot: this.#foot, sets });
    this.#lines = lines;
    this.#shots = new Map();
    for (const line of lines) {
      for (const { group, from, widths } of line.parts) {
        for (const shot of groups[group].shots.slice(from, from + widths.length)) {
          shot.line = line;
          shot.group = group;
          this.#shots.set(shot.key, shot);
        }
      }
    }
    this.#list.style.height = `${height}px`;
    const line = this.#shots.get(anchor?.key)?.line;
    if (line) this.#scroll.scrollTop = line.top - anchor.top;
  }

  get #foot() { return this.#size >= WITH_WORDS ? WORDS_HEIGHT : 0; }

  #anchor(current) {
    const { scrollTop, clientHeight } = this.#scroll;
    const top = this.#shots.get(current)?.line.top - scrollTop;
    if (top > -HEAD && top < clientHeight) return { key: current, top };
    const [line] = linesBetween(this.#lines, scrollTop, scrollTop);
    if (!line || scrollTop < HEAD) return null;
    const [{ group, from }] = line.parts;
    return { key: this.groups[group].shots[from].key, top: line.top - scrollTop };
  }

  draw() {
    this.#frame = 0;
    const { scrollTop, clientHeight } = this.#scroll;
    const known = new Map([...this.#list.children].map((element) => [this.#drawn.get(element), element]));
    const hadFocus = this.#list.contains(document.activeElement);
    const lines = linesBetween(this.#lines, scrollTop - clientHeight / 2, scrollTop + clientHeight * 1.5);
    const elements = lines.flatMap((line) => [
      ...(line.isSet && this.groups[line.parts[0].group].set ? [this.#setElement(line, known)] : []),
      ...line.parts.map((part) => this.#partElement(line, part, known)),
    ]);
    reconcileChildren(this.#list, elements, (element) => this.#drawn.get(element));
    if (hadFocus && !this.#list.contains(document.activeElement)) this.#list.querySelector('[data-shot][tabindex="0"]')?.focus({ preventScroll: true });
  }

  #setElement(line, known) {
    const [{ group, left }] = line.parts;
    const { set } = this.groups[group];
    const signature = signatureOfSet(set);
    const element = known.get(signature) ?? createSet(this.#holder, set);
    this.#drawn.set(element, signature);
    element.classList.toggle("is-beside", left > 0);
    element.style.translate = `0 ${left > 0 ? line.top : line.top - SET_HEIGHT}px`;
    return element;
  }

  #partElement(line, part, known) {
    const { shots: all, ...group } = this.groups[part.group];
    const shots = all.slice(part.from, part.from + part.widths.length);
    const content = { ...group, shots, isStart: part.isStart, hasWords: this.#foot > 0 };
    const signature = signatureOf(content);
    const element = known.get(signature) ?? createPart(this.#holder, content);
    this.#drawn.set(element, signature);
    element.style.translate = `${part.left}px ${line.top}px`;
    element.style.width = `${part.width}px`;
    element.classList.toggle("is-start", part.isStart);
    element.classList.toggle("is-end", part.isEnd);
    [...element.querySelectorAll("[data-shot-key]")].forEach((shot, index) => {
      markShot(shot, { ...this.#marksOf(shots[index]), width: part.widths[index], height: line.height });
    });
    return element;
  }

  /** Bring a shot into view. */
  reveal(key) {
    const { top, height, isSet } = this.#shots.get(key).line;
    const below = top + HEAD + height + this.#foot - this.#scroll.clientHeight;
    this.#scroll.scrollTop = Math.max(Math.min(this.#scroll.scrollTop, isSet ? top - SET_HEIGHT : top), below);
    this.draw();
  }

  /** The key that an arrow, Home or End leads to. */
  next(key, from) {
    const shot = this.#shots.get(from);
    const keys = [...this.#shots.keys()];
    if (!shot || key === "Home") return keys[0];
    if (key === "End") return keys.at(-1);
    if (key === "ArrowLeft" || key === "ArrowRight") return keys[keys.indexOf(from) + (key === "ArrowLeft" ? -1 : 1)];
    const { line, group, number } = shot;
    const next = nearestOn(this.#lines[this.#lines.indexOf(line) + (key === "ArrowUp" ? -1 : 1)], line, { group, index: number - 1 });
    return next && this.groups[next.group].shots[next.index].key;
  }
}

function ratiosOf(groups) {
  return groups.map(({ shots }) => shots.map(({ ratio }) => ratio));
}
