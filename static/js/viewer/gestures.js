// Wheel, mouse and fingers on a canvas: they zoom and pan the image, turn to the next one and close.

const TOLERANCE_PX = 5; // a press that moves less is a click or a tap
const SWIPE_PX = 60;
const CLOSE_PX = 90;
const DOUBLE_TAP_MS = 300;
const DOUBLE_TAP_PX = 40;

export class Gestures {
  #canvas;
  #zoom;
  #hooks;
  #pointers = new Map(); // id -> latest event
  #start = null; // where the only pointer was pressed
  #pinchStart = null; // the state of the zoom, and where two fingers were pressed
  #axis = ""; // "x" or "y" while it pulls an image that is not zoomed
  #lastTap = null;
  #tapTimer = 0;

  /** Whether the pointer moved, or there were two, between the last press and its release. */
  wasDragged = false;
  /** Whether the last press was by finger. */
  wasTouch = false;

  /**
   * hooks, all optional: onSwipe(±1) sideways; onPull(share) while a finger pulls down, from 0 to 1, and onClose() when it
   * lets go far enough; onTap(event) a finger, once; onChange() after each zoom or pan; isHeld() whether one pointer is for
   * something else than the image.
   */
  constructor(canvas, zoom, hooks) {
    const ignore = () => null;
    this.#canvas = canvas;
    this.#zoom = zoom;
    this.#hooks = { onSwipe: ignore, onPull: ignore, onClose: null, onTap: ignore, onChange: ignore, isHeld: () => false, ...hooks };
    const listeners = {
      dblclick: (event) => this.#onDoubleClick(event),
      pointerdown: (event) => this.#onDown(event),
      pointermove: (event) => this.#onMove(event),
      pointerup: (event) => this.#onUp(event),
      pointercancel: (event) => this.#onCancel(event),
    };
    for (const [name, listener] of Object.entries(listeners)) canvas.addEventListener(name, listener);
    canvas.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
  }

  /** A trackpad's pinch is a wheel with ctrlKey, in small steps. */
  #onWheel(event) {
    event.preventDefault();
    const step = event.ctrlKey ? 100 : event.deltaMode ? 12 : 300;
    this.#zoom.by(Math.exp(-event.deltaY / step), this.#zoom.pointOf(event));
    this.#hooks.onChange();
  }

  #onDoubleClick(event) {
    if (!this.wasTouch && !this.#hooks.isHeld() && !event.target.closest("button")) this.#toggleZoom(event); // #onTap counts the taps of fingers
  }

  #onDown(event) {
    const button = event.target.closest("button");
    const isTouch = event.pointerType === "touch";
    if (button && !isTouch) return; // a touch may begin anywhere; a tap still presses the button
    if (event.pointerType === "mouse" && event.button !== 0) return;
    if (!button) this.#canvas.setPointerCapture(event.pointerId);
    this.#letGo();
    clearTimeout(this.#tapTimer);
    this.#pointers.set(event.pointerId, event);
    this.#start = this.#pointers.size === 1 ? event : null;
    this.#pinchStart = this.#pointers.size === 2 ? { state: this.#zoom.state, ...this.#pinch() } : null;
    this.wasTouch = isTouch;
    this.wasDragged = this.#pointers.size > 1;
  }

  #onMove(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    if (event.pointerType === "mouse" && event.buttons === 0) return void this.#onCancel(event); // released outside, without an event
    this.#pointers.set(event.pointerId, event);
    if (this.#start && distance(this.#start, event) > TOLERANCE_PX) this.wasDragged = true;
    if (this.#pinchStart) this.#followPinch();
    else if (this.#hooks.isHeld()) return;
    else if (this.#zoom.isZoomed) this.#pan(event.clientX - before.clientX, event.clientY - before.clientY);
    else if (this.#start && this.wasDragged) this.#pull(event);
  }

  #onUp(event) {
    const isKnown = this.#pointers.delete(event.pointerId);
    this.#pinchStart = null;
    if (!isKnown || !this.#start || this.#hooks.isHeld()) return;
    const [across, down] = this.#way(event);
    const axis = this.#axis;
    this.#letGo();
    if (axis === "x" && Math.abs(across) > SWIPE_PX) this.#hooks.onSwipe(across < 0 ? 1 : -1);
    else if (axis === "y" && down > CLOSE_PX && this.#canClose) this.#hooks.onClose();
    else if (!this.wasDragged && this.wasTouch && !event.target.closest("button")) this.#onTap(event);
  }

  #onCancel({ pointerId }) {
    this.#pointers.delete(pointerId);
    this.#pinchStart = null;
    this.#letGo();
  }

  /** The image follows the pointer sideways, or a finger downwards while it gets smaller. */
  #pull(event) {
    const [across, down] = this.#way(event);
    this.#axis ||= Math.abs(across) > Math.abs(down) ? "x" : "y";
    if (this.#axis === "x") return this.#zoom.pull(across, 0);
    if (!this.#canClose) return undefined;
    const share = Math.min(1, Math.max(0, down) / (this.#canvas.clientHeight / 2));
    this.#zoom.pull(across, Math.max(0, down), 1 - share * 0.3);
    return this.#hooks.onPull(share);
  }

  get #canClose() {
    return this.wasTouch && Boolean(this.#hooks.onClose);
  }

  #letGo() {
    if (!this.#axis) return;
    this.#axis = "";
    this.#zoom.settle();
    this.#hooks.onPull(0);
  }

  #pan(across, down) {
    this.#zoom.move(across, down);
    this.#hooks.onChange();
  }

  /** Zoom as the fingers part, around the point between them, and pan as that moves. */
  #followPinch() {
    const before = this.#pinchStart;
    const now = this.#pinch();
    this.#zoom.state = before.state;
    this.#zoom.by(now.distance / before.distance, this.#zoom.pointOf(before));
    this.#pan(now.clientX - before.clientX, now.clientY - before.clientY);
  }

  #pinch() {
    const [one, other] = this.#pointers.values();
    const middle = (name) => (one[name] + other[name]) / 2;
    return { distance: distance(one, other), clientX: middle("clientX"), clientY: middle("clientY") };
  }

  /** A second tap at the same place zooms; a first one counts when there was no second. */
  #onTap(event) {
    const last = this.#lastTap;
    this.#lastTap = null;
    if (last && event.timeStamp - last.timeStamp < DOUBLE_TAP_MS && distance(last, event) < DOUBLE_TAP_PX) return void this.#toggleZoom(event);
    this.#lastTap = event;
    this.#tapTimer = setTimeout(() => this.#hooks.onTap(event), DOUBLE_TAP_MS);
  }

  #toggleZoom(event) {
    if (this.#zoom.isZoomed) this.#zoom.reset();
    else this.#zoom.by(this.#zoom.trueFactor(), this.#zoom.pointOf(event));
    this.#hooks.onChange();
  }

  /** How far the only pointer is from where it was pressed. */
  #way({ clientX, clientY }) {
    return [clientX - this.#start.clientX, clientY - this.#start.clientY];
  }
}

function distance(one, other) {
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}
