// Words to the person: toasts (good news and undo), quiet announcements, and the one question: money.

import { Failure } from "./api.js";
import { _ } from "./words.js";

const STAY = 8000;

/** A toast; with `action` ({label, run}) it stays until used, passed over, or gone by itself. -> its element */
export function toast(text, action) {
  const element = show(text, action ? [action] : []);
  leaveAfter(element, STAY);
  return element;
}

/** Why the action of a toast failed, in its place: it stays. */
function stay(text, run) {
  const element = show(text, [{ label: _("重试"), run }, { label: _("关闭"), run() {} }]);
  if (document.activeElement === document.body) element.querySelector("button").focus();
}

function show(text, actions) {
  const element = document.createElement("div");
  element.className = "toast";
  const words = document.createElement("span");
  words.className = "toast-text";
  words.textContent = text;
  element.append(words);
  element.append(...actions.map((action) => actionButton(action, element)));
  put(element);
  return element;
}

/** A sentence for screen readers only. */
export function announce(text) {
  document.querySelector("[data-announcer]").textContent = text;
}

/** Ask before money is spent; resolves to true or false. */
export function confirmMoney({ title, text, yes }) {
  const dialog = document.querySelector('[data-dialog="money"]');
  const button = dialog.querySelector("[data-money-yes]");
  dialog.querySelector("[data-money-title]").textContent = title;
  dialog.querySelector("[data-money-text]").textContent = text;
  button.textContent = yes;
  return new Promise((resolve) => {
    let agreed = false;
    button.onclick = () => {
      agreed = true;
      dialog.close();
    };
    dialog.addEventListener("close", () => resolve(agreed), { once: true });
    dialog.showModal();
  });
}

/** Ask before what was paid, or may have been, is ordered again: `count` pictures, `sum` yuan (empty: nobody knows), `more` to know about it. */
export function confirmSecondCharge({ count = 1, sum, isCharged = false, more = "" }) {
  const known = () => (isCharged ? _("上一次已经计费 ¥{sum}，重新下单会再花一次钱，约 ¥{sum}。", { sum }) : _("上一次可能已经计费 ¥{sum}，重新下单会再花一次钱，约 ¥{sum}。", { sum }));
  const unpriced = () => (isCharged ? _("上一次已经计费，重新下单会再花一次钱，价格未设。") : _("上一次可能已经计费，重新下单可能再花一次钱，价格未设。"));
  return confirmMoney({
    title: count > 1 ? _("这 {n} 张重新下单？", { n: count }) : _("重新下单？"),
    text: (sum ? known() : unpriced()) + more,
    yes: count > 1 ? _("仍要重新下单 {n} 张", { n: count }) : _("仍要重新下单"),
  });
}

/** Copy text; true when the clipboard took it. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Into the dialog that is open, if it has a place: under it nobody could see or press it. It outlives the dialog. */
function put(element) {
  const inside = [...document.querySelectorAll("dialog[open] [data-toasts]")].at(-1);
  (inside ?? document.querySelector("[data-toasts]")).replaceChildren(element);
  inside?.closest("dialog").addEventListener("close", () => element.isConnected && put(element), { once: true });
}

function actionButton({ label, run }, element) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "toast-action";
  button.textContent = label;
  button.addEventListener("click", async () => {
    element.remove();
    try {
      await run();
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      stay(failure.message, run);
    }
  });
  return button;
}

function leaveAfter(element, time) {
  let timer = setTimeout(() => element.remove(), time);
  element.addEventListener("pointerenter", () => clearTimeout(timer));
  element.addEventListener("focusin", () => clearTimeout(timer));
  element.addEventListener("pointerleave", () => {
    timer = setTimeout(() => element.remove(), time / 2);
  });
}
