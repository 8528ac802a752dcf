// <elapsed-time since="2026-11-24T06:05:00Z">: the seconds since then, counted while it is in the page.
// With `expected`, the seconds that it usually takes, it says so and moves the progress bar of its card.

import { _, formatElapsed } from "../core/i18n.js";

export class ElapsedTime extends HTMLElement {
  static observedAttributes = ["expected"];

  connectedCallback() {
    this.timer = setInterval(() => this.render(), 1000);
    this.render();
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  attributeChangedCallback() {
    if (this.isConnected) this.render();
  }

  render() {
    const elapsed = Math.max(0, Math.floor((Date.now() - Date.parse(this.getAttribute("since"))) / 1000));
    const expected = Number(this.getAttribute("expected"));
    this.textContent = formatElapsed(elapsed);
    if (!expected) return;
    this.textContent += _("，一般 {seconds} 秒", { seconds: Math.round(expected) });
    const progress = this.closest("[data-record-id]").querySelector("progress");
    progress.max = expected;
    progress.value = Math.min(elapsed, expected * 0.95);
  }
}
