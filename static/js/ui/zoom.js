// The scale and place of an image in its canvas, as its transform. Points and distances are pixels of the page.

const MAX_SCALE = 12;

export class Zoom {
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
    this.#canvas.classList.remove("is-settling");
    this.#canvas.classList.toggle("is-zoomed", this.isZoomed);
  }
}
