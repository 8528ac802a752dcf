// The form of 单图生成: sizes and prices that follow the choices, errors at their fields, and submitting it.

import { apply, jsonOf, show } from "../core/dom.js";
import { attempt } from "../core/http.js";
import { _, formatPrice } from "../core/i18n.js";
import { announceOrder, postOnce } from "../core/orders.js";
import { isTaken, ownSize, priceOfSize, spellSize } from "../core/sizes.js";
import { budgetLeft, budgetName } from "../ui/status.js";
import { announce, showToast } from "../ui/toast.js";

const MAX_IMAGES = 10;
const COUNTED_FROM = 0.8; // of the limit
const MAX_SEED = 4294967294;

/** The fields as the API names them. */
export function readForm(form) {
  const { request_id: _withoutScripts, ...fields } = Object.fromEntries(new FormData(form));
  return { ...fields, sample_images: JSON.parse(fields.sample_images || "[]") };
}

/** Fill in a request; fields that it does not name, or that the model does not take, stay, and the model itself. */
export function fillForm(form, request) {
  const own = form.querySelector("[data-own]");
  if (own && ownSize(request.resolution)) {
    form.querySelector("[data-own-text]").value = request.resolution;
    own.value = request.resolution; // one of the choices that are filled in below
  }
  for (const [name, value] of Object.entries(request)) {
    const field = form.elements[name];
    if (!field || field.disabled || name === "model") continue;
    field.value = name === "sample_images" ? JSON.stringify(value) : (value ?? "");
  }
  form.querySelector("[data-more-ratios]:has(:checked)")?.setAttribute("open", "");
  form.dispatchEvent(new Event("input", { bubbles: true }));
  form.dispatchEvent(new CustomEvent("form-filled", { detail: request }));
}

export function makeForm(form) {
  const submitButton = form.querySelector("[data-ctrl-enter]");
  let isSubmitting = false;

  form.addEventListener("input", (event) => {
    const name = "ownText" in event.target.dataset ? "resolution" : event.target.name;
    if (name) setFieldError(form, name, "");
    render(form);
  });
  form.querySelector("[data-more-ratios]")?.addEventListener("toggle", () => showOwnSize(form));
  form.addEventListener("click", (event) => onButton(form, event.target.closest("button")));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches('input:not([type="file"])')) event.preventDefault(); // only Ctrl+Enter and the button submit
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSubmitting || !validate(form)) return;
    isSubmitting = true;
    submitButton.dataset.busy = "yes";
    await submit(form);
    isSubmitting = false;
    delete submitButton.dataset.busy;
  });
  render(form);
  document.addEventListener("status", () => showPrice(form));
}

async function submit(form) {
  await attempt(async () => {
    const request = readForm(form);
    const answered = postOnce(form.dataset.createUrl, { source: "single", rows: [request] }, { ofDraft: true });
    announceOrder({ request, answered, isFromForm: true });
    const { records } = await answered;
    setFieldError(form, "", "");
    if (isRepeated(records)) showToast(_("这一单刚才已经提交，没有重复下单"));
    else announce(_("已开始生成 {n} 张", { n: records.length }));
  }, (sentence, error) => showErrors(form, sentence, error));
}

/** Whether another tab, or an earlier press without an answer, submitted this request before. */
function isRepeated([first]) {
  return Boolean(document.querySelector(`[data-record-id="${first}"]`));
}

function validate(form) {
  if (!form.elements.prompt.value.trim()) return setFieldError(form, "prompt", _("请填写提示词"));
  if (form.querySelector("[data-own]:checked") && !offerOf(form)) {
    setFieldError(form, "resolution", _("请把宽高写成 1200x800 这样，并在上面的范围里"));
    form.querySelector("[data-own-text]").focus();
    return false;
  }
  if (form.querySelector(".is-uploading")) return setFieldError(form, "sample_images", _("参考图还在上传，请稍等"));
  return true;
}

/** The first problem is shown last and has the focus. */
function showErrors(form, sentence, { field = "", problems = [] }) {
  const shown = problems.length ? problems : [{ field, error: sentence }];
  for (const problem of shown.reverse()) setFieldError(form, problem.field, problem.error);
}

/** Show a message at its field, or above the button when it has none; "" removes it. Returns false. */
export function setFieldError(form, name, message) {
  const errorElement = form.querySelector(`[data-error-for="${name}"]`) || form.querySelector("[data-form-error]");
  const field = form.elements[name];
  errorElement.textContent = message;
  if (!(field instanceof HTMLElement)) {
    if (message) errorElement.scrollIntoView({ block: "nearest" });
    return false;
  }
  field.ariaInvalid = message ? "true" : null;
  if (!message) return false;
  field.closest("details")?.setAttribute("open", "");
  field.focus();
  return false;
}

function onButton(form, button) {
  const { num_images: count, seed } = form.elements;
  if (button?.dataset.step) {
    setValue(count, Math.min(MAX_IMAGES, Math.max(1, (Number(count.value) || 1) + Number(button.dataset.step))));
  } else if (button && "randomSeed" in button.dataset) {
    setValue(seed, Math.floor(Math.random() * MAX_SEED));
  }
}

function setValue(field, value) {
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function render(form) {
  showLength(form);
  showSizes(form);
  showPrice(form);
  for (const field of form.querySelectorAll("[data-auto-grow]")) autoGrow(field);
}

function showLength(form) {
  const length = [...form.elements.prompt.value.trim()].length;
  const limit = Number(form.querySelector("[data-count]").dataset.limit);
  show(form, {
    "[data-count]": { textContent: length < COUNTED_FROM * limit ? "" : `${length} / ${limit}`, classes: { "is-over": length > limit } },
    "[data-too-long]": { hidden: length <= limit },
    "[data-clear]": { hidden: !length },
  });
}

/** What the model offers for a radio of the resolution, by default the chosen one: {size, price}, at the chosen quality, or nothing. */
function offerOf(form, radio = form.querySelector('[name="resolution"]:checked')) {
  const quality = form.elements.quality?.value;
  if (radio && "own" in radio.dataset) {
    const [size, rule] = [ownSize(form.querySelector("[data-own-text]").value), jsonOf(form, "ownSizes")];
    return size && isTaken(size, rule) ? { size: spellSize(size), price: priceOfSize(size, rule, quality) } : null;
  }
  const offer = jsonOf(form, "sizes")[`${form.elements.aspect_ratio.value}|${radio?.value}`];
  return offer && { ...offer, price: offer.qualities?.[quality] ?? offer.price };
}

function showSizes(form) {
  const radios = [...form.elements.resolution];
  for (const radio of radios) {
    const [offer, isOwn] = [offerOf(form, radio), "own" in radio.dataset];
    if (isOwn) radio.value = offer?.size || form.querySelector("[data-own-text]").value || "?"; // what is wrong is told, not replaced
    else radio.disabled = !offer;
    show(radio.closest("label"), {
      "[data-size]": offer ? offer.size.replace("x", "×") : isOwn ? _("宽×高") : _("不提供"),
      "[data-price]": offer ? formatPrice(Number(offer.price ?? NaN)) : "",
    });
  }
  showOwnSize(form);
  if (radios.some((radio) => radio.checked && !radio.disabled)) return;
  const offered = radios.find((radio) => !radio.disabled && !("own" in radio.dataset));
  if (offered) offered.checked = true;
}

/** An own size takes the place of the ratio; it is offered with the ratios that are not common. */
function showOwnSize(form) {
  const own = form.querySelector("[data-own]");
  if (!own) return;
  show(form, {
    "[data-ratios]": { disabled: own.checked },
    "[data-own-choice]": { hidden: !own.checked && form.querySelector("[data-more-ratios]")?.open === false },
    "[data-own-size]": { hidden: !own.checked },
  });
}

function showPrice(form) {
  const { num_images: count, sample_images: references } = form.elements;
  const offer = offerOf(form);
  const n = Number(count.value) || 1;
  const extra = Math.max(JSON.parse(references.value || "[]").length - Number(form.dataset.includedReferences), 0) * Number(form.dataset.extraPrice);
  const price = offer ? Number(offer.price ?? NaN) + extra : 0;
  show(form, { "[data-submit-label]": _("生成 {n} 张", { n }), "[data-submit-price]": formatPrice(n * price) });
  showBudget(form.querySelector("[data-budget]"), n, price);
}

/** Say beforehand what the budget leaves, and how many images it pays for where it does not pay for all. */
function showBudget(element, n, price) {
  const left = budgetLeft();
  const enough = Math.floor(left / price + 1e-9); // cents are no binary fractions
  const isShort = enough < n;
  apply(element, { hidden: left === null || !(price > 0), classes: { "is-warn": isShort } });
  if (element.hidden) return;
  const values = { budget: budgetName(), sum: left.toFixed(2), n: enough };
  const short = () => (enough > 0 ? _("{budget}还剩 ¥{sum}，只够 {n} 张：做完这些就暂停，不会超支。", values) : _("{budget}还剩 ¥{sum}，不够做一张。", values));
  show(element, { span: isShort ? short() : _("{budget}还剩 ¥{sum}", values), a: { hidden: !isShort } });
}

/** As tall as its text, where the browser does not do that itself. */
function autoGrow(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}
