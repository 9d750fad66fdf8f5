// The changes of a view as they happen.

import { at, events } from './api.js';
import { byId, grouped, h } from './draw.js';

const SHOWN = 200;
/** Before it connects again, in milliseconds. */
const PAUSE = 2000;

function described(row) {
  return Object.entries(row).map(([name, value]) =>
    `${name} ${typeof value === 'string' ? value : JSON.stringify(value, (_, part) =>
      typeof part === 'bigint' ? String(part) : part)}`).join('  ');
}

function line(epoch, { diff, row }) {
  const sign = diff > 0 ? 'plus' : 'minus';
  return h('tr', { class: sign },
    h('td', { class: 'epoch right' }, grouped(epoch)),
    h('td', { class: `${sign} right` }, diff > 0 ? `+${diff}` : `−${-diff}`),
    h('td', { title: described(row) }, described(row)));
}

export class Changes {
  constructor() {
    this.path = null;
    this.wanted = true;
    this.stop = new AbortController();
    this.token = null;
    this.count = 0;
    this.waiting = [];
    this.body = h('tbody');
    byId('follow').addEventListener('click', () => this.toggle());
    document.addEventListener('visibilitychange', () => this.follow());
  }

  /** Follows another view from `upper` on. */
  open(dataflow, view, upper) {
    byId('live-view').textContent = `of ${view}`;
    this.path = at(dataflow, 'views', view, 'changes');
    this.token = String(upper);
    this.count = 0;
    this.waiting = [];
    this.body = h('tbody');
    const head = ['Epoch', 'Times', 'Row'].map((name, place) =>
      h('th', { scope: 'col', class: place < 2 ? 'right' : null }, name));
    byId('changes').replaceChildren(
      h('table', null, h('thead', null, h('tr', null, head)), this.body));
    this.follow();
  }

  toggle() {
    this.wanted = !this.wanted;
    // It goes on with what happens now: what happened meanwhile may be a lot.
    this.token = this.upper === undefined ? this.token : String(this.upper);
    this.follow();
  }

  /** Connects when it is wanted and seen, and lets go when it is not. */
  async follow() {
    this.stop.abort();
    const button = byId('follow');
    button.textContent = this.wanted ? 'Pause' : 'Follow';
    button.setAttribute('aria-pressed', String(this.wanted));
    if (!this.wanted || document.hidden || this.path === null) {
      this.say(this.wanted ? '' : 'paused');
      return;
    }
    const stop = new AbortController();
    this.stop = stop;
    while (!stop.signal.aborted) {
      try {
        const path = `${this.path}?from=${encodeURIComponent(this.token)}`;
        this.say(this.count === 0 ? 'waiting for changes' : this.told());
        for await (const event of events(path, stop.signal)) this.take(event);
      } catch (error) {
        if (stop.signal.aborted) return;
        this.say(error.message, true);
      }
      // What was buffered is not complete; it comes again.
      this.waiting = [];
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }

  take({ name, id, data }) {
    if (name === 'problem') throw new Error(data.detail);
    if (name === 'replay') this.say(`the log is replayed from epoch ${data.from}`);
    if (name === 'reset') {
      // The copy is not kept here, so what is in it is of no interest.
      this.waiting = [];
      this.say(data.reason);
    }
    if (name === 'part') this.waiting.push(...data.changes.slice(0, SHOWN));
    if (name === 'part' || name === 'change') this.count += data.changes.length;
    if (id !== null) {
      const changes = name === 'change' ? data.changes : this.waiting;
      this.waiting = [];
      this.token = id;
      if (changes.length > 0) this.show(data.epoch, changes);
    }
    if (this.waiting.length > SHOWN) this.waiting.length = SHOWN;
  }

  show(epoch, changes) {
    this.body.prepend(...changes.slice(0, SHOWN).map((change) => line(epoch ?? 0, change)));
    while (this.body.rows.length > SHOWN) this.body.deleteRow(-1);
    this.say(this.told());
  }

  told() {
    return this.count === 1 ? '1 change' : `${grouped(this.count)} changes`;
  }

  say(text, bad = false) {
    const status = byId('live-status');
    status.classList.toggle('bad', bad);
    status.textContent = text;
  }
}
