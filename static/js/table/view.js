// 表格 | 看图: two views of the open table under one head. The address says which one is shown.

/** show(isPictures) is called when the view is another one. Returns {start()}, which shows what the address says. */
export function bindView(page, show) {
  const buttons = page.querySelectorAll("[data-view-name]");
  const isInAddress = () => new URLSearchParams(location.search).get("view") === "pictures";
  let isPictures = false;

  function update() {
    if (isPictures !== isInAddress()) {
      isPictures = !isPictures;
      page.classList.toggle("is-pictures", isPictures);
      show(isPictures);
    }
    for (const button of buttons) button.setAttribute("aria-pressed", String((button.dataset.viewName === "pictures") === isPictures));
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      const address = new URL(location);
      if (button.dataset.viewName === "pictures") address.searchParams.set("view", "pictures");
      else address.searchParams.delete("view");
      if (address.href !== location.href) history.pushState(null, "", address);
      update();
    });
  }
  addEventListener("popstate", update);
  return { start: update };
}
