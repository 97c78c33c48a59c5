// Sends marks in order and keeps each in the browser until the server has answered that it is saved.

import { request } from "./request.js";

const WAITS_MS = [500, 1000, 2000, 5000, 10000];

/** A random id of 32 hex digits, made here so that a repeated request is the same mark. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Outbox {
  /** `on` has the functions saved, conflict, refused (entry, answer), expired() and state(waiting, online). */
  constructor(who, csrf, on) {
    this.prefix = `ra-node marks/${who}/`;
    this.csrf = csrf;
    this.on = on;
    this.failed = 0;
    this.entries = this.stored();
    window.addEventListener("online", () => this.flush());
  }

  /** Entries that an earlier page left behind, oldest first. */
  stored() {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(this.prefix)).sort()
        .map((key) => ({ key, ...JSON.parse(localStorage.getItem(key)) }));
    } catch { return []; }
  }

  /** Queue one request; `body.id` identifies it. */
  add(path, body) {
    const moment = String(Date.now()).padStart(15, "0");
    this.order = (this.order ?? 0) + 1;
    const entry = { key: `${this.prefix}${moment}/${String(this.order).padStart(6, "0")}/${body.id}`, path, body };
    try { localStorage.setItem(entry.key, JSON.stringify({ path, body })); } catch { /* kept in memory */ }
    this.entries.push(entry);
    this.flush();
  }

  get waiting() { return this.entries.length; }

  /** Resolves when nothing waits any more. */
  emptied() {
    this.flush();
    return new Promise((resolve) => {
      if (!this.waiting) resolve();
      else (this.empty ??= []).push(resolve);
    });
  }

  async flush() {
    if (this.sending || this.stopped) return;
    this.sending = true;
    clearTimeout(this.timer);
    while (this.entries.length && !this.stopped) {
      this.on.state(this.waiting, this.failed === 0);
      if (!(await this.send(this.entries[0]))) break;
    }
    this.sending = false;
    this.on.state(this.waiting, this.failed === 0);
    if (!this.waiting) (this.empty ?? []).splice(0).forEach((resolve) => resolve());
  }

  /** Whether the next one may be sent. */
  async send(entry) {
    let answer, told;
    try {
      answer = await request(entry.path, {
        method: "POST", redirect: "manual", body: JSON.stringify(entry.body),
        headers: { "Content-Type": "application/json", "X-CSRF-Token": this.csrf },
      });
      told = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : {};
    } catch { return this.later(); }
    if (answer.status === 401 || told.expired) { this.stopped = true; this.on.expired(); return false; }
    if (answer.status >= 500 || answer.status === 429 || answer.type === "opaqueredirect") return this.later();
    this.failed = 0;
    this.drop(entry);
    const say = answer.ok ? this.on.saved : answer.status === 409 ? this.on.conflict : this.on.refused;
    say(entry, told);
    return true;
  }

  later() {
    const wait = WAITS_MS[Math.min(this.failed, WAITS_MS.length - 1)];
    this.failed += 1;
    this.timer = setTimeout(() => this.flush(), wait);
    return false;
  }

  drop(entry) {
    this.entries = this.entries.filter((one) => one !== entry);
    try { localStorage.removeItem(entry.key); } catch { /* was in memory */ }
  }

  /** After a new sign-in. */
  resume(csrf) {
    this.csrf = csrf;
    this.stopped = false;
    this.failed = 0;
    this.flush();
  }
}
