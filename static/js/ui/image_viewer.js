// One image in a canvas (partials/viewer_canvas.html): first its thumbnail, then the whole, with zoom by wheel, double
// click and pinch, panning by drag, and swipes.

import { _ } from "../core/i18n.js";

const MAX_SCALE = 12;
const SWIPE_PX = 60;
const CLICK_TOLERANCE_PX = 5;
const LOADING_DELAY_MS = 300;

export class ImageViewer {
  #canvas;
  #image;
  #messageElement;
  #reloadButton;
  #hooks;
  #link = null;
  #pointers = new Map(); // id -> latest event
  #scale = 1;
  #x = 0;
  #y = 0;
  #start = null; // where the only pointer was pressed
  #wasDragged = false; // between the last press and its release

  /** hooks: onSwipe(±1) sideways, onSwipeDown(), onMove({scale, x, y}) after each zoom or pan of the user. */
  constructor(canvas, { onSwipe, onSwipeDown = () => null, onMove = () => null }) {
    const part = (name) => canvas.querySelector(`[data-viewer-${name}]`);
    this.#canvas = canvas;
    this.#image = part("image");
    this.#messageElement = part("message");
    this.#reloadButton = part("reload");
    this.#hooks = { onSwipe, onSwipeDown, onMove };
    this.#listen();
  }

  get isZoomed() {
    return this.#scale > 1;
  }

  get wasDragged() {
    return this.#wasDragged;
  }

  get message() {
    return this.#messageElement.textContent;
  }

  /** Show the image of a link with data-image-url. */
  show(link) {
    const thumbnail = link.querySelector("img");
    this.#link = link;
    this.#image.hidden = false;
    this.#image.src = thumbnail?.naturalWidth ? thumbnail.currentSrc : link.dataset.imageUrl;
    this.#loadWhole(link, link.dataset.imageUrl);
  }

  /** Show a message over the image; "" hides it. */
  showMessage(text) {
    this.#messageElement.textContent = text;
    this.#messageElement.hidden = !text;
    this.#reloadButton.hidden = true;
  }

  /** Multiply the scale, around the middle; 0 resets it. */
  zoom(factor) {
    if (factor) this.#zoomAt(factor);
    else this.reset();
  }

  reset() {
    this.#scale = 1;
    this.#update();
  }

  /** Take over the {scale, x, y} of another viewer, without calling onMove. */
  setState({ scale, x, y }) {
    [this.#scale, this.#x, this.#y] = [scale, x, y];
    this.#render();
  }

  /** Whether a point lies on the image, which may be smaller than its element. */
  isOnImage({ clientX, clientY }) {
    const { naturalWidth, naturalHeight } = this.#image;
    const { left, top, width, height } = this.#image.getBoundingClientRect();
    const padding = 2 * Number.parseFloat(getComputedStyle(this.#image).paddingLeft);
    const scale = Math.min((width - padding) / naturalWidth, (height - padding) / naturalHeight);
    const across = Math.abs(clientX - left - width / 2) * 2;
    const down = Math.abs(clientY - top - height / 2) * 2;
    return across <= naturalWidth * scale && down <= naturalHeight * scale;
  }

  #loadWhole(link, url) {
    const whole = new Image();
    const loading = _("正在载入…");
    const timer = setTimeout(() => { if (!this.message) this.showMessage(loading); }, LOADING_DELAY_MS);
    const finish = (isLoaded) => {
      clearTimeout(timer);
      if (link !== this.#link) return;
      if (isLoaded) this.#image.src = whole.src;
      this.#image.hidden = !isLoaded;
      if (!isLoaded) this.showMessage(_("加载失败，图片文件可能已被移走"));
      else if (this.message === loading) this.showMessage(""); // another message stays
      this.#reloadButton.hidden = isLoaded;
    };
    this.showMessage("");
    whole.onload = () => finish(true);
    whole.onerror = () => finish(false);
    whole.src = url;
  }

  #reload() {
    const url = new URL(this.#link.dataset.imageUrl, location.href);
    url.searchParams.set("again", Date.now());
    this.#canvas.closest("dialog").focus(); // the button will be hidden; the keys stay with the image
    this.#loadWhole(this.#link, url.href);
  }

  #listen() {
    const listeners = {
      dblclick: (event) => this.#onDoubleClick(event),
      pointerdown: (event) => this.#onPointerDown(event),
      pointermove: (event) => this.#onPointerMove(event),
      pointerup: (event) => this.#onPointerUp(event),
      pointercancel: (event) => this.#pointers.delete(event.pointerId),
    };
    for (const [name, listener] of Object.entries(listeners)) this.#canvas.addEventListener(name, listener);
    this.#canvas.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    this.#reloadButton.addEventListener("click", () => this.#reload());
  }

  #onWheel(event) {
    event.preventDefault();
    this.#zoomAt(Math.exp(-event.deltaY / (event.deltaMode ? 12 : 300)), this.#fromMiddle(event));
  }

  #onDoubleClick(event) {
    if (event.target.closest("button")) return;
    if (this.isZoomed) this.reset();
    else this.#zoomAt(this.#trueScale(), this.#fromMiddle(event));
  }

  #onPointerDown(event) {
    const button = event.target.closest("button");
    if (button && event.pointerType !== "touch") return; // a touch may begin anywhere; a tap still presses the button
    if (event.pointerType === "mouse" && event.button !== 0) return;
    this.#pointers.set(event.pointerId, event);
    if (!button) this.#canvas.setPointerCapture(event.pointerId);
    this.#start = this.#pointers.size === 1 ? { x: event.clientX, y: event.clientY } : null;
    this.#wasDragged = this.#pointers.size > 1;
  }

  #onPointerMove(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    if (event.pointerType === "mouse" && event.buttons === 0) { // released outside, without an event
      this.#pointers.delete(event.pointerId);
      return;
    }
    const start = this.#start;
    if (start && Math.hypot(event.clientX - start.x, event.clientY - start.y) > CLICK_TOLERANCE_PX) this.#wasDragged = true;
    const distance = this.#pointers.size === 2 ? this.#pinchDistance() : 0;
    this.#pointers.set(event.pointerId, event);
    if (distance) {
      this.#zoomAt(this.#pinchDistance() / distance, this.#fromMiddle(event));
    } else if (this.isZoomed) {
      this.#x += event.clientX - before.clientX;
      this.#y += event.clientY - before.clientY;
      this.#update();
    }
  }

  #onPointerUp(event) {
    if (this.#start && !this.isZoomed && this.#pointers.size === 1) {
      const across = event.clientX - this.#start.x;
      const down = event.clientY - this.#start.y;
      if (Math.abs(across) > SWIPE_PX && Math.abs(across) > Math.abs(down)) this.#hooks.onSwipe(across < 0 ? 1 : -1);
      else if (down > SWIPE_PX * 1.5 && event.pointerType === "touch") this.#hooks.onSwipeDown();
    }
    this.#pointers.delete(event.pointerId);
  }

  /** Scale so that the point (pixels from the middle of the canvas) stays where it is. */
  #zoomAt(factor, [pointX, pointY] = [0, 0]) {
    const scale = Math.min(MAX_SCALE, Math.max(1, this.#scale * factor));
    this.#x = pointX - ((pointX - this.#x) * scale) / this.#scale;
    this.#y = pointY - ((pointY - this.#y) * scale) / this.#scale;
    this.#scale = scale;
    this.#update();
  }

  #update() {
    this.#render();
    this.#hooks.onMove({ scale: this.#scale, x: this.#x, y: this.#y });
  }

  #render() {
    const maxX = Math.max(0, (this.#canvas.clientWidth * (this.#scale - 1)) / 2);
    const maxY = Math.max(0, (this.#canvas.clientHeight * (this.#scale - 1)) / 2);
    this.#x = Math.min(maxX, Math.max(-maxX, this.#x));
    this.#y = Math.min(maxY, Math.max(-maxY, this.#y));
    this.#image.style.transform = this.isZoomed ? `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})` : "";
    this.#canvas.classList.toggle("is-zoomed", this.isZoomed);
  }

  #fromMiddle({ clientX, clientY }) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [clientX - left - width / 2, clientY - top - height / 2];
  }

  /** The scale at which one image pixel is one device pixel, at least 2. */
  #trueScale() {
    const fit = Math.min(this.#canvas.clientWidth / this.#image.naturalWidth, this.#canvas.clientHeight / this.#image.naturalHeight);
    return Math.max(2, 1 / fit / devicePixelRatio);
  }

  #pinchDistance() {
    const [first, second] = [...this.#pointers.values()];
    return Math.hypot(first.clientX - second.clientX, first.clientY - second.clientY);
  }
}
