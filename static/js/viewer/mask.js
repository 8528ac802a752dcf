// The picture that is changed: marks are drawn over it by pointer, finger or key, and a frame stands around it while it is enlarged.
// Two fingers and the wheel zoom as in the large view.

import { dragBox, dragEdges, drawMarks, fitEdges, partAt } from "./shapes.js";
import { apply } from "../core/dom.js";
import { followPointer } from "../core/drag.js";
import { _ } from "../core/i18n.js";
import { ImageViewer } from "./image_viewer.js";

const SHARE = 0.78; // of the stage, for a frame that can still be drawn larger
const KEY_STEP = 0.01; // of the shorter side
const REACH = { mouse: 10, touch: 22, pen: 14 }; // px on either side of an edge
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Mask {
  viewer;
  #stage;
  #canvas;
  #image;
  #pen;
  #hooks;
  #state = null;
  #pointers = new Set();
  #drag = null; // {id, move(event), end()}: a stroke, or a box that is drawn or moved
  #box = null; // while it is dragged
  #fit = null; // of the frame, while it is dragged
  #isPanning = false;

  /** hooks: changed() after the marks did; edges(edges) while the frame is dragged; words() after Enter at the box; onMove(): as there. */
  constructor(stage, hooks) {
    this.#stage = stage;
    this.#hooks = hooks;
    this.#canvas = this.#part("[data-retouch-old]");
    this.#image = this.#part("[data-viewer-image]");
    this.#pen = this.#part("[data-retouch-marks]").getContext("2d");
    this.viewer = new ImageViewer(this.#canvas, { onSwipe: () => null, onMove: (zoom) => [this.#draw(), hooks.onMove(zoom)], isHeld: () => this.#isMarking });
    const listeners = {
      pointerdown: (event) => this.#onDown(event), pointermove: (event) => this.#onMove(event), pointerleave: () => this.#showCursor(null),
      pointerup: (event) => this.#onUp(event), pointercancel: (event) => this.#onUp(event),
    };
    for (const [name, listener] of Object.entries(listeners)) this.#canvas.addEventListener(name, listener);
    this.#part("[data-retouch-box]").addEventListener("keydown", (event) => this.#onBoxKey(event));
    this.#part("[data-retouch-frame]").addEventListener("pointerdown", (event) => this.#dragFrame(event));
    new ResizeObserver(() => this.#state && this.show(this.#state)).observe(this.#canvas);
  }

  /** state: {width, height, marks, kind: "" while there is nothing to draw, tool, brush, edges, isBusy}, see dialog.js. */
  show(state) {
    const isFramed = state.kind === "edges";
    this.#state = state;
    if (isFramed) this.viewer.reset();
    apply(this.#stage, { classes: {
      "is-marking": this.#isMarking, "is-brush": this.#isMarking && state.tool === "brush", "is-framed": isFramed, "is-busy": state.isBusy,
      "is-stacked": state.width / state.height > this.#stage.clientWidth / this.#stage.clientHeight,
    } });
    this.#image.style.padding = isFramed ? this.#placeFrame() : "";
    this.#draw();
  }

  /** Whether one pointer moves the picture instead of marking it. */
  pan(isOn) {
    this.#isPanning = isOn;
    this.#showCursor(null);
  }

  /** The box, or a new one in the middle, is moved by keys. */
  focusBox() {
    const { width, height, marks } = this.#state;
    if (!marks.now.box) marks.change({ box: { x: width * 0.3, y: height * 0.3, width: width * 0.4, height: height * 0.4 } });
    this.#hooks.changed();
    this.#part("[data-retouch-box]").focus();
  }

  #part(selector) { return this.#stage.querySelector(selector); }
  get #isPlace() { return this.#state?.kind === "place"; }
  get #isMarking() { return this.#isPlace && !this.#state.isBusy && !this.#isPanning; }

  /** Where the picture stands in the window, {x, y, scale}, and in its canvas, {left, top}; px. */
  #place() {
    const [box, around] = [this.#image.getBoundingClientRect(), this.#canvas.getBoundingClientRect()];
    const style = getComputedStyle(this.#image);
    const [left, top, right, bottom] = ["Left", "Top", "Right", "Bottom"].map((side) => Number.parseFloat(style[`padding${side}`]) * box.width / this.#image.offsetWidth);
    const [wide, high] = [box.width - left - right, box.height - top - bottom];
    const scale = Math.min(wide / this.#state.width, high / this.#state.height);
    const [x, y] = [box.left + left + (wide - this.#state.width * scale) / 2, box.top + top + (high - this.#state.height * scale) / 2];
    return { x, y, scale, left: x - around.left, top: y - around.top };
  }

  #draw() {
    const pen = this.#pen;
    const [width, height] = [this.#canvas.clientWidth, this.#canvas.clientHeight].map((size) => Math.round(size * devicePixelRatio));
    if (pen.canvas.width !== width || pen.canvas.height !== height) Object.assign(pen.canvas, { width, height });
    pen.restore();
    pen.save();
    pen.clearRect(0, 0, width, height);
    const box = this.#isPlace ? (this.#box ?? this.#state.marks.now.box) : null;
    this.#part("[data-retouch-box]").hidden = !box;
    if (!this.#isPlace) return;
    const { left, top, scale } = this.#place();
    pen.scale(devicePixelRatio, devicePixelRatio);
    pen.translate(left, top);
    pen.scale(scale, scale);
    pen.beginPath();
    pen.rect(0, 0, this.#state.width, this.#state.height);
    pen.clip();
    pen.fillStyle = getComputedStyle(pen.canvas).color;
    drawMarks(pen, { ...this.#state.marks.now, box });
    if (box) this.#showBox(box, { left, top, scale });
  }

  #showBox(box, { left, top, scale }) {
    const share = (part, whole) => Math.round((part / whole) * 100);
    const { width, height } = this.#state;
    const places = { left: left + box.x * scale, top: top + box.y * scale, width: box.width * scale, height: box.height * scale };
    for (const [name, place] of Object.entries(places)) this.#part("[data-retouch-box]").style[name] = `${place}px`;
    const values = { x: share(box.x, width), y: share(box.y, height), wide: share(box.width, width), high: share(box.height, height) };
    this.#part("[data-retouch-box]").ariaLabel = _("方框：左 {x}%，上 {y}%，宽 {wide}%，高 {high}%", values);
  }

  #showCursor(event) {
    const cursor = this.#part("[data-retouch-cursor]");
    cursor.hidden = !event || event.pointerType === "touch" || !this.#isMarking || this.#state.tool !== "brush";
    if (cursor.hidden) return;
    const { left, top } = this.#canvas.getBoundingClientRect();
    Object.assign(cursor.style, { width: `${this.#state.brush}px`, translate: `calc(${event.clientX - left}px - 50%) calc(${event.clientY - top}px - 50%)` });
  }

  // Pointers

  #onDown(event) {
    this.#pointers.add(event.pointerId);
    if (this.#pointers.size > 1) return this.#drop(); // two fingers zoom
    if (!this.#isMarking || event.button > 0 || event.target.closest("button")) return undefined;
    const place = this.#place();
    this.#drag = { id: event.pointerId, ...(this.#state.tool === "brush" ? this.#startStroke(event, place) : this.#startBox(event, place)) };
    return this.#drag.move(event);
  }

  #onMove(event) {
    this.#showCursor(event);
    if (event.pointerId === this.#drag?.id) this.#drag.move(event);
  }

  #onUp({ type, pointerId }) {
    this.#pointers.delete(pointerId);
    if (pointerId !== this.#drag?.id) return;
    if (type === "pointerup") this.#drag.end();
    this.#drop();
    this.#hooks.changed();
  }

  #drop() {
    this.#drag = null;
    this.#box = null;
    this.#draw();
  }

  /** Only what is new of it is drawn, with the pen as #draw() left it. */
  #startStroke(start, place) {
    const { marks, brush } = this.#state;
    const [path, width] = [new Path2D(), brush / place.scale];
    let last = pointIn(place, start);
    path.moveTo(last.x, last.y);
    this.#pen.lineWidth = width;
    return {
      move: (event) => {
        const events = event.getCoalescedEvents?.() ?? [];
        this.#pen.beginPath();
        this.#pen.moveTo(last.x, last.y);
        for (const one of events.length > 0 ? events : [event]) {
          last = pointIn(place, one);
          for (const line of [path, this.#pen]) line.lineTo(last.x + 0.01, last.y); // one of no length would not be drawn
        }
        this.#pen.stroke();
      },
      end: () => marks.change({ strokes: [...marks.now.strokes, { width, path }] }),
    };
  }

  #startBox(start, place) {
    const { marks } = this.#state;
    const from = pointIn(place, start);
    const known = marks.now.box;
    const part = known ? partAt(known, from, REACH[start.pointerType] / place.scale) : "";
    const before = part ? known : { ...from, width: 0, height: 0 };
    return {
      move: (event) => {
        const to = pointIn(place, event);
        this.#box = dragBox(before, part || "right bottom", to.x - from.x, to.y - from.y, this.#state);
        this.#draw();
      },
      end: () => {
        const isSeen = Math.min(this.#box.width, this.#box.height) * place.scale > 4;
        if (isSeen && JSON.stringify(this.#box) !== JSON.stringify(known)) marks.change({ box: this.#box });
      },
    };
  }

  #onBoxKey(event) {
    const { marks, width, height } = this.#state;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) {
      const [across, down] = ARROWS[event.key].map((step) => step * Math.max(1, Math.min(width, height) * KEY_STEP));
      const box = dragBox(marks.now.box, event.shiftKey ? "right bottom" : "inside", across, down, this.#state);
      if (box.width > 0 && box.height > 0) marks.change({ box }, "keys");
    } else if (event.key === "Delete") marks.change({ box: null });
    else if (event.key === "Enter") this.#hooks.words();
    else return;
    event.preventDefault();
    this.#hooks.changed();
  }

  // The frame of an enlarged picture

  get #stageSize() { return { width: this.#canvas.clientWidth, height: this.#canvas.clientHeight }; }

  /** -> the padding that puts the picture in its place */
  #placeFrame() {
    const { width, height, edges } = this.#state;
    const stage = this.#stageSize;
    const { scale, left, top } = this.#fit ?? fitEdges(this.#state, edges, stage, SHARE);
    const insides = [top, stage.width - left - width * scale, stage.height - top - height * scale, left];
    const grown = [edges.top * height, edges.right * width, edges.bottom * height, edges.left * width].map((size, at) => `${insides[at] - size * scale}px`);
    this.#part("[data-retouch-grown]").style.inset = grown.join(" ");
    return insides.map((side) => `${side}px`).join(" ");
  }

  /** The sides next to the press are dragged; the picture finds its place anew after it. */
  #dragFrame(start) {
    const { width, height, edges } = this.#state;
    const part = partAt(this.#part("[data-retouch-grown]").getBoundingClientRect(), { x: start.clientX, y: start.clientY }, REACH[start.pointerType] * 2);
    if (!part || part === "inside" || start.button > 0) return;
    this.#fit = fitEdges(this.#state, edges, this.#stageSize, SHARE);
    const { scale } = this.#fit;
    const end = (last) => {
      this.#fit = null;
      this.#hooks.edges(last);
    };
    followPointer(start, {
      move: ({ clientX, clientY }) => this.#hooks.edges(dragEdges(edges, part, (clientX - start.clientX) / width / scale, (clientY - start.clientY) / height / scale)),
      end: () => end(this.#state.edges), cancel: () => end(edges),
    });
  }
}

function pointIn({ x, y, scale }, { clientX, clientY }) {
  return { x: (clientX - x) / scale, y: (clientY - y) / scale };
}
