// Pictures found as one types, and more of them as one scrolls.

import { Failure } from "../api.js";
import { isComposing } from "../composing.js";
import { announce } from "../messages.js";
import { _ } from "../words.js";

export function search(library, shown) {
  const part = (name) => library.querySelector(`[data-${name}]`);
  let asked = 0;
  let loading = false;
  let typing = 0;

  async function look() {
    clearTimeout(typing);
    const words = shown.words();
    history.replaceState(null, "", words ? `?${new URLSearchParams({ search: words })}` : location.pathname);
    const mine = (asked += 1);
    const late = setTimeout(() => say(_("正在查找…")), 300);
    try {
      const html = await shown.ask({});
      if (mine !== asked) return;
      shown.draw(html);
      say("");
      announce(_("找到 {n} 张", { n: shown.total() }));
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      if (mine === asked) say(failure.message);
    } finally {
      clearTimeout(late);
    }
  }

  async function more() {
    if (loading || shown.reached() >= shown.total()) return;
    loading = true;
    const mine = asked;
    try {
      const html = await shown.ask({ offset: shown.reached() });
      if (mine === asked) shown.add(html);
      say("");
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      say(failure.message);
    }
    loading = false;
  }

  function say(sentence) {
    part("more").textContent = sentence;
  }

  part("search").addEventListener("input", (event) => {
    clearTimeout(typing);
    if (!isComposing(event)) typing = setTimeout(look, 200);
  });
  part("search").addEventListener("compositionend", look);
  part("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    look();
  });

  const end = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && more(), {
    rootMargin: "1200px",
  });
  shown.holder.addEventListener("fragment", () => {
    end.unobserve(part("more")); // asked anew, for the end may still be in sight
    end.observe(part("more"));
  });
  end.observe(part("more"));
  part("pager")?.remove();
  if (new URLSearchParams(location.search).has("page")) look();
}
