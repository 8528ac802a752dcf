// One image in a canvas (partials/viewer_canvas.html): first its thumbnail, then the whole, with zoom (zoom.js) and gestures
// (gestures.js).

import { Gestures } from "./gestures.js";
import { apply, show } from "../core/dom.js";
import { _ } from "../core/i18n.js";

const LOADING_DELAY_MS = 300;
const MAX_SCALE = 12;

export class ImageViewer {
  #canvas;
  #image;
  #link = null;
  #zoom;
  #gestures;
  #onMove;

  /** hooks: those of Gestures, but onMove({scale, x, y}) after each zoom or pan of the user. */
  constructor(canvas, { onSwipe, onMove = () => null, ...hooks }) {
    const part = (selector) => canvas.querySelector(selector);
    this.#canvas = canvas;
    this.#image = part("[data-viewer-image]");
    this.#zoom = new Zoom(canvas, this.#image);
    this.#onMove = () => onMove(this.#zoom.state);
    this.#gestures = new Gestures(canvas, this.#zoom, { ...hooks, onSwipe: (step) => this.#swipe(step, onSwipe), onChange: this.#onMove });
    part("[data-viewer-reload]").addEventListener("click", () => this.#reload());
  }

  get isZoomed() {
    return this.#zoom.isZoomed;
  }

  get message() {
    return this.#canvas.querySelector("[data-viewer-message]").textContent;
  }

  /** Whether a click of the mouse is beside the image, and nothing else. */
  isBeside(event) {
    const { wasDragged, wasTouch } = this.#gestures;
    return this.#canvas.contains(event.target) && !wasDragged && !wasTouch && !this.isOnImage(event);
  }

  /** Whether an event is on the image; a zoomed one takes the whole canvas. */
  isOnImage(event) {
    return this.isZoomed || this.#zoom.isOnImage(event);
  }

  /** Show the image of a link with data-image-url: its thumbnail, and the whole unless it `isPassing`; that is for showWhole(). */
  show(link, isPassing = false) {
    const thumbnail = link.querySelector("img");
    const isUsable = thumbnail && (thumbnail.naturalWidth || !thumbnail.complete);
    this.#link = link;
    this.showMessage("");
    apply(this.#image, { hidden: false, src: isUsable ? thumbnail.currentSrc || thumbnail.src : link.dataset.imageUrl });
    if (!isPassing) this.showWhole();
  }

  showWhole() {
    this.#loadWhole(this.#link, this.#link.dataset.imageUrl);
  }

  /** Show a message over the image; "" hides it. */
  showMessage(text) {
    show(this.#canvas, { "[data-viewer-message]": { textContent: text, hidden: !text }, "[data-viewer-reload]": { hidden: true } });
  }

  /** Multiply the scale, around the middle; 0 resets it. */
  zoom(factor) {
    if (factor) this.#zoom.by(factor);
    else this.#zoom.reset();
    this.#onMove();
  }

  reset() {
    this.zoom(0);
  }

  /** Take over the {scale, x, y} of another viewer, without calling onMove. */
  setState(state) {
    this.#zoom.state = state;
  }

  /** The image that a swipe leads to at once comes in from the side. */
  #swipe(step, onSwipe) {
    const before = this.#link;
    onSwipe(step);
    if (this.#link === before) return;
    const duration = Number.parseFloat(getComputedStyle(this.#image).getPropertyValue("--duration-fast"));
    this.#image.animate({ transform: [`translateX(${step * 30}%)`, "none"] }, { duration, easing: "ease-out" });
  }

  #loadWhole(link, url) {
    const whole = new Image();
    const loading = _("正在载入…");
    const timer = setTimeout(() => { if (!this.message) this.showMessage(loading); }, LOADING_DELAY_MS);
    const finish = (isLoaded) => {
      clearTimeout(timer);
      if (link !== this.#link) return;
      apply(this.#image, { hidden: !isLoaded, ...(isLoaded && { src: whole.src }) });
      if (!isLoaded) this.showMessage(_("加载失败，图片文件可能已被移走"));
      else if (this.message === loading) this.showMessage(""); // another message stays
      show(this.#canvas, { "[data-viewer-reload]": { hidden: isLoaded } });
    };
    Object.assign(whole, { onload: () => finish(true), onerror: () => finish(false), src: url });
  }

  #reload() {
    const url = new URL(this.#link.dataset.imageUrl, location.href);
    url.searchParams.set("again", Date.now());
    this.showMessage("");
    this.#canvas.closest("dialog").focus(); // the button will be hidden; the keys stay with the image
    this.#loadWhole(this.#link, url.href);
  }
}

// The scale and place of an image in its canvas, as its transform. Points and distances are pixels of the page.

class Zoom {
  #canvas;
  #image;
  #scale = 1;
  #x = 0;
  #y = 0;

  constructor(canvas, image) {
    this.#canvas = canvas;
    this.#image = image;
  }

  get state() {
    return { scale: this.#scale, x: this.#x, y: this.#y };
  }

  set state({ scale, x, y }) {
    [this.#scale, this.#x, this.#y] = [scale, x, y];
    this.#render();
  }

  get isZoomed() {
    return this.#scale > 1;
  }

  reset() {
    this.state = { scale: 1, x: 0, y: 0 };
  }

  /** Multiply the scale so that this point of the canvas, from its middle, stays where it is. */
  by(factor, [pointX, pointY] = [0, 0]) {
    const scale = Math.min(MAX_SCALE, Math.max(1, this.#scale * factor));
    const moved = (at, point) => point - ((point - at) * scale) / this.#scale;
    this.state = { scale, x: moved(this.#x, pointX), y: moved(this.#y, pointY) };
  }

  move(across, down) {
    this.state = { scale: this.#scale, x: this.#x + across, y: this.#y + down };
  }

  /** Show the image that is not zoomed beside its place, and smaller, while a finger holds it. */
  pull(across, down, scale = 1) {
    this.#canvas.classList.remove("is-settling");
    this.#image.style.transform = `translate(${across}px, ${down}px) scale(${scale})`;
  }

  /** Let a pulled image go back to its place. */
  settle() {
    this.#render();
    this.#canvas.classList.add("is-settling");
  }

  /** Where an event is, from the middle of the canvas. */
  pointOf({ clientX, clientY }) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [clientX - left - width / 2, clientY - top - height / 2];
  }

  /** Whether an event is on the image, which may be smaller than its element. */
  isOnImage(event) {
    const { naturalWidth, naturalHeight } = this.#image;
    const [x, y] = this.pointOf(event);
    const half = (this.#fit() * this.#scale) / 2;
    return Math.abs(x - this.#x) <= naturalWidth * half && Math.abs(y - this.#y) <= naturalHeight * half;
  }

  /** The factor at which one image pixel is one device pixel, at least 2. */
  trueFactor() {
    return Math.max(2, 1 / this.#fit() / devicePixelRatio);
  }

  /** Page pixels for each image pixel while it is not zoomed. */
  #fit() {
    const { naturalWidth, naturalHeight, clientWidth, clientHeight } = this.#image;
    const { paddingLeft, paddingTop } = getComputedStyle(this.#image);
    const inner = (size, padding) => size - 2 * Number.parseFloat(padding);
    return Math.min(inner(clientWidth, paddingLeft) / naturalWidth, inner(clientHeight, paddingTop) / naturalHeight);
  }

  #render() {
    const most = (size) => (size * (this.#scale - 1)) / 2;
    const within = (value, size) => Math.min(most(size), Math.max(-most(size), value)) || 0;
    this.#x = within(this.#x, this.#canvas.clientWidth);
    this.#y = within(this.#y, this.#canvas.clientHeight);
    this.#image.style.transform = this.isZoomed ? `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})` : "";
    apply(this.#canvas, { classes: { "is-settling": false, "is-zoomed": this.isZoomed } });
  }
}
