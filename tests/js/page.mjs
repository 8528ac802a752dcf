// What the scripts expect of a browser before they are imported, without layout, rendering or focus. A test that needs
// those belongs into tests/browser.

/** An element without a place in a page; each selector has one part of its own. */
export class FakeElement extends EventTarget {
  children = [];
  childNodes = [];
  dataset = {};
  style = { setProperty() {} };
  hidden = false;
  disabled = false;
  value = "";
  textContent = "";
  selectionStart = 0;
  selectionEnd = 0;
  offsetTop = 0;
  offsetLeft = 0;
  offsetWidth = 0;
  offsetHeight = 0;
  scrollTop = 0;
  scrollHeight = 0;
  clientWidth = 0;
  clientHeight = -1e6; // no row is in view, so that the table renders none
  box = { left: 0, top: 0, right: 0, bottom: 0 };
  #parts = new Map();
  #classes = new Set();
  #attributes = new Map();

  classList = {
    add: (...names) => { for (const name of names) this.#classes.add(name); },
    remove: (...names) => { for (const name of names) this.#classes.delete(name); },
    toggle: (name, isOn = !this.#classes.has(name)) => { this.#classes[isOn ? "add" : "delete"](name); },
    replace: (before, after) => { if (this.#classes.delete(before)) this.#classes.add(after); },
    contains: (name) => this.#classes.has(name),
  };

  querySelector(selector) {
    if (!this.#parts.has(selector)) this.#parts.set(selector, new FakeElement());
    return this.#parts.get(selector);
  }

  querySelectorAll(selectors) { return selectors.split(", ").map((selector) => this.querySelector(selector)); }
  replaceChildren(...children) { this.children = children; }
  append(...children) { this.children.push(...children); }
  getBoundingClientRect() { return this.box; }
  getAttribute(name) { return this.#attributes.get(name) ?? null; }
  setAttribute(name, value) { this.#attributes.set(name, String(value)); }
  removeAttribute(name) { this.#attributes.delete(name); }
  setSelectionRange(start) { this.selectionStart = start; }

  setRangeText(text, start, end) {
    this.value = this.value.slice(0, start) + text + this.value.slice(end);
    this.selectionStart = this.selectionEnd = start + text.length;
  }

  closest() { return null; }
  matches() { return false; }
  contains() { return false; }
  cloneNode() { return new FakeElement(); }
  after() {}
  remove() {}
  focus() {}
  select() {}
  scrollIntoView() {}
  showPopover() {}
  hidePopover() {}
  checkVisibility() { return false; }
  toggleAttribute() {}
  click() { fire(this, "click"); }

  dispatchEvent(event) {
    this[`on${event.type}`]?.(event);
    return super.dispatchEvent(event);
  }
}

/** Dispatch an event with these properties; returns whether a listener prevented its default. */
export function fire(target, type, properties = {}) {
  const { timeStamp = 0, ...others } = properties;
  return !target.dispatchEvent(Object.defineProperty(Object.assign(new Event(type, { cancelable: true }), others), "timeStamp", { value: timeStamp }));
}

/** After all that is waiting for a promise. */
export const settled = () => new Promise((resolve) => { setImmediate(resolve); });

/** Timers that run when t.mock.timers.tick() says so; one without a delay at the next tick. */
export function holdTimers(t, { apis = ["setTimeout"], ...options } = {}) {
  t.mock.timers.enable({ apis, ...options });
  const set = globalThis.setTimeout;
  globalThis.setTimeout = (run, delay = 0) => set(run, delay);
}

/** What was said last in a toast. */
export const lastToast = () => document.querySelector("[data-toasts]").children.at(-1)?.children[0].textContent;

const stored = new Map();
globalThis.localStorage = {
  getItem: (name) => stored.get(name) ?? null,
  setItem: (name, text) => { stored.set(name, String(text)); },
  removeItem: (name) => { stored.delete(name); },
  clear: () => { stored.clear(); },
  key: (index) => [...stored.keys()][index] ?? null,
  get length() { return stored.size; },
};

const page = new FakeElement(); // the part [data-batch] has the data of 批量生成: see table/page.mjs
globalThis.document = Object.assign(new EventTarget(), {
  hidden: false,
  body: page,
  documentElement: { lang: "zh" },
  querySelector: (selector) => page.querySelector(selector),
  querySelectorAll: () => [],
  createElement: () => new FakeElement(),
});

const view = new EventTarget();
Object.assign(globalThis, {
  addEventListener: view.addEventListener.bind(view),
  dispatchEvent: view.dispatchEvent.bind(view),
  requestAnimationFrame: () => 1, // what is drawn is for the browser
  matchMedia: () => ({ matches: false }),
  getComputedStyle: () => ({ getPropertyValue: () => "", cursor: "crosshair" }),
  ResizeObserver: class { observe() {} },
  MutationObserver: class {
    observe() {}
    disconnect() {}
  },
  CSS: { escape: (text) => text },
  Highlight: class {},
  Node: { TEXT_NODE: 3 },
  innerHeight: 800,
  innerWidth: 1200,
  Option: class {
    constructor(text, value = text) { Object.assign(this, { text, value }); }
  },
});
