// Keys of the page: arrows move from picture to picture, Enter to the next row, P keeps, X rejects, 1–9 keep the picture of
// that number in its row, E edits the row, Space shows the picture large.

import { arrowTarget, isTextInput } from "../core/keyboard.js";

const CHOICES = { p: "keep", x: "reject" };

/** choose(name, picture) and edit(row) do what the keys ask for. */
export function bindKeys(page, { choose, edit }) {
  const places = () => [...page.querySelectorAll("[data-picture-rows] [data-place]")].filter((place) => !place.hidden);
  const rowOf = (picture) => picture.closest("[data-row]");

  function move(picture, key) {
    const current = picture?.querySelector("[data-place]");
    focusPlace(current ? arrowTarget(places(), current, key) : places()[0]);
  }

  function goToNextRow(picture) {
    focusPlace(rowOf(picture).nextElementSibling?.querySelector("[data-place]"));
  }

  function keepOfRow(picture, number) {
    const chosen = rowOf(picture).querySelectorAll("[data-record-id]")[number - 1];
    if (!chosen) return;
    focusPlace(chosen.querySelector("[data-place]"));
    if (chosen.dataset.pick !== "keep") choose("keep", chosen);
  }

  function run(key, target) {
    const picture = target.closest("[data-picture-rows] [data-record-id]");
    const isOnPlace = target.matches("[data-place]");
    const isMove = key.startsWith("Arrow") || key === "Home" || key === "End";
    if (isMove && (picture || (target === document.body && key.startsWith("Arrow")))) move(picture, key);
    else if (!picture) return false;
    else if (key === "Enter" && isOnPlace) goToNextRow(picture);
    else if (key === " " && isOnPlace) target.click();
    else if (key in CHOICES) choose(CHOICES[key], picture);
    else if (key >= "1" && key <= "9") keepOfRow(picture, Number(key));
    else if (key === "e") edit(rowOf(picture));
    else return false;
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || isTextInput(target)) return;
    if (run(key.length === 1 ? key.toLowerCase() : key, target)) event.preventDefault();
  });
}

function focusPlace(place) {
  place?.focus({ preventScroll: true });
  place?.closest("[data-record-id]").scrollIntoView({ block: "nearest" });
}
