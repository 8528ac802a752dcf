// <local-time><time datetime="2026-11-24T06:05:00Z">…</time></local-time>: a time of the server in the reader's time zone.

import { _, formatClock, formatDay, language } from "../core/i18n.js";

export class LocalTime extends HTMLElement {
  connectedCallback() {
    const time = this.querySelector("time");
    const at = new Date(time.dateTime);
    const isToday = at.toDateString() === new Date().toDateString();
    time.textContent = isToday ? _("今天 {clock}", { clock: formatClock(at) }) : `${formatDay(at)} ${formatClock(at)}`;
    time.title = at.toLocaleString(language);
  }
}
