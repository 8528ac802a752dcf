// The form of 单图生成: counts, sizes and prices that follow the choices, and sending it.

import { _, formatPrice } from "../core/i18n.js";
import { postOnce } from "../core/orders.js";
import { announce, showToast } from "../ui/messages.js";

/** The fields as the API names them. */
export function readForm(form) {
  const { request_id: _withoutScripts, ...fields } = Object.fromEntries(new FormData(form));
  return { ...fields, sample_images: JSON.parse(fields.sample_images || "[]") };
}

/** Put a request into the form; fields it does not name, or that the model does not take, stay. */
export function fillForm(form, request) {
  for (const [name, value] of Object.entries(request)) {
    const field = form.elements[name];
    if (!field || field.disabled) continue;
    field.value = name === "sample_images" ? JSON.stringify(value) : (value ?? "");
  }
  form.dispatchEvent(new Event("input", { bubbles: true }));
  form.dispatchEvent(new Event("form-filled"));
}

export function makeForm(form) {
  const go = form.querySelector("[data-ctrl-enter]");
  let sending = false;

  form.addEventListener("input", (event) => {
    if (event.target.name) complain(form, event.target.name, "");
    refresh(form);
  });
  form.addEventListener("click", (event) => press(form, event.target.closest("button")));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches('input:not([type="file"])')) event.preventDefault(); // only Ctrl+Enter and the button order
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (sending || !isReady(form)) return;
    sending = true;
    go.dataset.busy = "yes";
    try {
      const { records } = await postOnce(form.dataset.createUrl, { source: "single", rows: [readForm(form)] }, { ofDraft: true });
      complain(form, "", "");
      if (wasShown(records)) showToast(_("这一单刚才已经提交，没有重复下单"));
      else announce(_("已开始生成 {n} 张", { n: records.length }));
      document.dispatchEvent(new CustomEvent("records-created", { detail: records }));
    } catch (failure) {
      show(form, failure);
    }
    sending = false;
    delete go.dataset.busy;
  });
  refresh(form);
}

/** Another tab, or an earlier press without an answer, has placed this very order. */
function wasShown([first]) {
  return Boolean(document.querySelector(`[data-record-id="${first}"]`));
}

function isReady(form) {
  if (!form.elements.prompt.value.trim()) return complain(form, "prompt", _("请填写提示词"));
  if (form.querySelector(".is-uploading")) return complain(form, "sample_images", _("参考图还在上传，请稍等"));
  return true;
}

function show(form, failure) {
  const problems = failure.problems.length ? failure.problems : [{ field: failure.field, error: failure.message }];
  for (const { field, error } of problems.reverse()) complain(form, field, error);
}

/** A sentence at its field (or above the button when it has none); empty takes it away. Returns false. */
function complain(form, name, sentence) {
  const place = form.querySelector(`[data-error-for="${name}"]`) || form.querySelector("[data-form-error]");
  const field = form.elements[name];
  place.textContent = sentence;
  if (!(field instanceof HTMLElement)) return false;
  field.toggleAttribute("aria-invalid", Boolean(sentence));
  if (sentence) {
    field.setAttribute("aria-invalid", "true");
    const more = field.closest("details");
    if (more) more.open = true;
    field.focus();
  }
  return false;
}

function press(form, button) {
  if (!button) return;
  const { num_images: count, seed } = form.elements;
  if (button.dataset.step) {
    count.value = Math.min(10, Math.max(1, (Number(count.value) || 1) + Number(button.dataset.step)));
    count.dispatchEvent(new Event("input", { bubbles: true }));
  }
  if ("randomSeed" in button.dataset) {
    seed.value = Math.floor(Math.random() * 4294967294);
    seed.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function refresh(form) {
  countLetters(form);
  showSizes(form);
  showPrice(form);
  for (const field of form.querySelectorAll("[data-auto-grow]")) grow(field);
}

function countLetters(form) {
  const place = form.querySelector("[data-count]");
  const letters = [...form.elements.prompt.value.trim()].length;
  const tooLong = letters > Number(place.dataset.limit);
  place.textContent = `${letters} / ${place.dataset.limit}`;
  place.classList.toggle("is-over", tooLong);
  form.querySelector("[data-too-long]").hidden = !tooLong;
  form.querySelector("[data-clear]").hidden = !letters;
}

function showSizes(form) {
  const sizes = JSON.parse(form.dataset.sizes);
  const offers = [...form.elements.resolution].map((radio) => {
    const offer = sizes[`${form.elements.aspect_ratio.value}|${radio.value}`];
    const label = radio.closest("label");
    radio.disabled = !offer;
    label.querySelector("[data-size]").textContent = offer ? offer.size.replace("x", "×") : _("不提供");
    label.querySelector("[data-price]").textContent = offer ? formatPrice(Number(offer.price ?? NaN)) : "";
    return radio;
  });
  if (!offers.some((radio) => radio.checked && !radio.disabled)) {
    const nearest = offers.find((radio) => !radio.disabled);
    if (nearest) nearest.checked = true;
  }
}

function showPrice(form) {
  const { aspect_ratio: ratio, resolution, num_images: count, sample_images: references } = form.elements;
  const offer = JSON.parse(form.dataset.sizes)[`${ratio.value}|${resolution.value}`];
  const extra = Math.max(JSON.parse(references.value || "[]").length - 1, 0) * Number(form.dataset.extraPrice);
  const total = (Number(count.value) || 1) * (offer ? Number(offer.price ?? NaN) + extra : 0);
  form.querySelector("[data-submit-label]").textContent = _("生成 {n} 张", { n: Number(count.value) || 1 });
  form.querySelector("[data-submit-price]").textContent = formatPrice(total);
}

function grow(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}
