// Looking closer at one picture: wheel, double click, pinch and drag; a swipe at rest goes to the next.

import { _ } from "../core/i18n.js";

const MOST = 12;
const SWIPE = 60;
const SLACK = 5; // pixels that a click may move

/** Returns {reset, by(factor), follow(state), isZoomed(), wasDragged()}; calls step(±1) on a swipe sideways, close() on a swipe down, and
 *  moved({scale, x, y}) when the person looks closer or elsewhere. */
export function makeZoom(stage, image, { step, close, moved = () => null }) {
  const fingers = new Map();
  let scale = 1;
  let x = 0;
  let y = 0;
  let start = null;
  let wasDragged = false; // between the last press and its release

  function draw() {
    const slackX = Math.max(0, (stage.clientWidth * (scale - 1)) / 2);
    const slackY = Math.max(0, (stage.clientHeight * (scale - 1)) / 2);
    x = Math.min(slackX, Math.max(-slackX, x));
    y = Math.min(slackY, Math.max(-slackY, y));
    image.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
    stage.classList.toggle("is-zoomed", scale > 1);
    moved({ scale, x, y });
  }

  /** Look where another picture is looked at; tells nobody. */
  function follow(state) {
    const tell = moved;
    moved = () => null;
    ({ scale, x, y } = state);
    draw();
    moved = tell;
  }

  /** Scale by `factor` so that the point (from the middle of the stage) stays where it is. */
  function around(factor, px = 0, py = 0) {
    const next = Math.min(MOST, Math.max(1, scale * factor));
    x = px - ((px - x) * next) / scale;
    y = py - ((py - y) * next) / scale;
    scale = next;
    draw();
  }

  function fromMiddle({ clientX, clientY }) {
    const box = stage.getBoundingClientRect();
    return [clientX - box.left - box.width / 2, clientY - box.top - box.height / 2];
  }

  function reset() {
    scale = 1;
    draw();
  }

  function trueSize() {
    const fit = Math.min(stage.clientWidth / image.naturalWidth, stage.clientHeight / image.naturalHeight);
    return Math.max(2, 1 / fit / devicePixelRatio);
  }

  function apart() {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  }

  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    around(Math.exp(-event.deltaY / (event.deltaMode ? 12 : 300)), ...fromMiddle(event));
  }, { passive: false });

  stage.addEventListener("dblclick", (event) => {
    if (event.target.closest("button")) return;
    if (scale > 1) reset();
    else around(trueSize(), ...fromMiddle(event));
  });

  stage.addEventListener("pointerdown", (event) => {
    const button = event.target.closest("button");
    if (button && event.pointerType !== "touch") return; // a finger may begin anywhere; a tap still presses
    if (event.pointerType === "mouse" && event.button !== 0) return;
    fingers.set(event.pointerId, event);
    if (!button) stage.setPointerCapture(event.pointerId);
    start = fingers.size === 1 ? { x: event.clientX, y: event.clientY } : null;
    wasDragged = fingers.size > 1;
  });

  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    if (event.pointerType === "mouse" && event.buttons === 0) { // released where no event told of it
      fingers.delete(event.pointerId);
      return;
    }
    if (start && Math.hypot(event.clientX - start.x, event.clientY - start.y) > SLACK) wasDragged = true;
    const gap = fingers.size === 2 ? apart() : 0;
    fingers.set(event.pointerId, event);
    if (gap) {
      around(apart() / gap, ...fromMiddle(event));
    } else if (scale > 1) {
      x += event.clientX - before.clientX;
      y += event.clientY - before.clientY;
      draw();
    }
  });

  stage.addEventListener("pointerup", (event) => {
    if (start && scale === 1 && fingers.size === 1) {
      const across = event.clientX - start.x;
      const down = event.clientY - start.y;
      if (Math.abs(across) > SWIPE && Math.abs(across) > Math.abs(down)) step(across < 0 ? 1 : -1);
      else if (down > SWIPE * 1.5 && event.pointerType === "touch") close();
    }
    fingers.delete(event.pointerId);
  });
  stage.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));

  return { reset, follow, by: (factor) => (factor ? around(factor) : reset()), isZoomed: () => scale > 1, wasDragged: () => wasDragged };
}

// The picture on a stage: its thumbnail at first, then the whole; what does not come is said, with 重试.


const PATIENCE = 300;

/** Returns {show(link), say(sentence)}; the stage is partials/viewer_canvas.html. */
export function makeViewerImage(stage) {
  const part = (name) => stage.querySelector(`[data-${name}]`);
  const [image, word, reload] = [part("viewer-image"), part("viewer-message"), part("viewer-reload")];
  let current = null;

  function show(link) {
    const small = link.querySelector("img");
    current = link;
    image.hidden = false;
    image.src = small?.naturalWidth ? small.currentSrc : link.dataset.imageUrl;
    fetchWhole(link, link.dataset.imageUrl);
  }

  function fetchWhole(link, address) {
    const whole = new Image();
    const coming = _("正在载入…");
    const late = setTimeout(() => { if (!word.textContent) say(coming); }, PATIENCE);
    say("");
    whole.onload = () => settle(true);
    whole.onerror = () => settle(false);
    whole.src = address;

    function settle(isHere) {
      clearTimeout(late);
      if (link !== current) return;
      if (isHere) image.src = whole.src;
      image.hidden = !isHere;
      if (!isHere) say(_("加载失败，图片文件可能已被移走"));
      else if (word.textContent === coming) say(""); // what else was said meanwhile stays
      reload.hidden = isHere;
    }
  }

  function say(sentence) {
    word.textContent = sentence;
    word.hidden = !sentence;
    reload.hidden = true;
  }

  reload.addEventListener("click", () => {
    const address = new URL(current.dataset.imageUrl, location.href);
    address.searchParams.set("again", Date.now());
    stage.closest("dialog").focus(); // the button goes; the keys stay with the picture
    fetchWhole(current, address.href);
  });

  return { show, say };
}
