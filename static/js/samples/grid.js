// The pictures on the page: searched as one types, more of them as one scrolls, brought up to date.

import { lookAtFragment, Failure } from "../api.js";
import { fill, parse } from "../fragments.js";
import { announce } from "../messages.js";
import { _ } from "../words.js";
import { brokenPictures } from "./broken.js";

const LOOK_AGAIN = 1500;

export function grid(library) {
  const part = (name) => library.querySelector(`[data-${name}]`);
  const holder = part("holder");
  const field = part("search");
  let asked = 0;
  let loading = false;
  let again = 0;

  const lists = () => [...holder.querySelectorAll("[data-samples]")];
  const total = () => Number(lists()[0].dataset.total ?? 0);
  const reached = () => Number(lists().at(-1).dataset.shown ?? 0);
  const address = (fields) => `${library.dataset.liveUrl}?${new URLSearchParams({ search: words(), ...fields })}`;
  const words = () => field.value.trim();

  async function look({ quietly = false } = {}) {
    const mine = (asked += 1);
    const late = setTimeout(() => quietly || say(_("正在查找…")), 300);
    try {
      const { html } = await lookAtFragment(address({}), {});
      if (mine !== asked) return;
      fill(holder, html);
      say("");
      count();
      if (!quietly) announce(_("找到 {n} 张", { n: total() }));
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      if (mine === asked) say(failure.message);
    } finally {
      clearTimeout(late);
      if (mine === asked) lookAgainIfOld();
    }
  }

  async function more() {
    if (loading || reached() >= total()) return;
    loading = true;
    const mine = asked;
    try {
      const { html } = await lookAtFragment(address({ offset: reached() }), {});
      if (mine === asked) holder.append(parse(html));
      say("");
      holder.dispatchEvent(new CustomEvent("fragment", { bubbles: true }));
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      say(failure.message);
    }
    loading = false;
  }

  /** While the list is an older one: look once in a while whether there is a newer. */
  function lookAgainIfOld() {
    clearTimeout(again);
    if (!holder.querySelector("[data-stale]") || reached() > 120) return;
    again = setTimeout(() => (document.hidden ? lookAgainIfOld() : look({ quietly: true })), LOOK_AGAIN);
  }

  function say(sentence) {
    part("more").textContent = sentence;
  }

  /** The number beside the title; `step` when one came (1) or went (-1) here on the page. */
  function count(step = 0) {
    lists()[0].dataset.total = String(total() + step);
    lists().at(-1).dataset.shown = String(reached() + step);
    const n = total();
    part("counted").hidden = !n && "unread" in lists()[0].dataset; // nobody knows how many there are
    part("count").textContent = words() ? _("找到 {n} 张", { n }) : _("共 {n} 张", { n });
  }

  /** The picture with this key, drawn anew by the server, in its old place or as the first. */
  async function bring(key, { before = null } = {}) {
    const { html } = await lookAtFragment(`${library.dataset.liveUrl}?${new URLSearchParams({ key })}`, {});
    const fresh = parse(html).querySelector("[data-sample]");
    const there = find(key);
    const list = lists()[0];
    if (there) there.replaceWith(fresh);
    else if (before) before.replaceWith(fresh);
    else list.prepend(fresh);
    if (!there && !before) count(1);
    holder.querySelector(".empty")?.remove();
    fresh.dispatchEvent(new CustomEvent("fragment", { bubbles: true }));
    return fresh;
  }

  function find(key) {
    return holder.querySelector(`[data-sample="${CSS.escape(key)}"]`);
  }

  let typing = 0;
  field.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, 200);
  });
  part("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    search();
  });

  function search() {
    history.replaceState(null, "", words() ? `?${new URLSearchParams({ search: words() })}` : location.pathname);
    look();
  }

  const end = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && more(), {
    rootMargin: "1200px",
  });
  holder.addEventListener("fragment", () => {
    end.unobserve(part("more")); // asked anew, for the end may still be in sight
    end.observe(part("more"));
  });
  end.observe(part("more"));
  brokenPictures(holder);
  part("pager")?.remove();
  if (new URLSearchParams(location.search).has("page")) search();
  lookAgainIfOld();
  return { bring, find, count };
}
