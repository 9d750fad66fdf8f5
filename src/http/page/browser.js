// A view, page by page: search by prefix, and the time slider.

import { at, json } from './api.js';
import { byId, grouped, h } from './draw.js';

const PAGE_ROWS = 50;
/** How often the first page follows the view, in milliseconds. */
const REFRESH = 2000;

/** A table cell that shows a value as it is. */
function cell(value, numeric) {
  if (value === null || value === undefined) {
    return h('td', { class: numeric ? 'null right' : 'null' }, 'null');
  }
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const right = numeric || typeof value === 'number' || typeof value === 'bigint';
  return h('td', { class: right ? 'right' : null, title: text.length > 50 ? text : null }, text);
}

/** Rows as a table. A column is `{name, key, numeric}`; `values(row)` gives its cells. */
export function table(columns, rows, values) {
  const head = columns.map(({ name, key, numeric }) => h('th', {
    scope: 'col', class: [key && 'key', numeric && 'right'].filter(Boolean).join(' ') || null,
  }, name));
  const body = rows.map((row) =>
    h('tr', null, values(row).map((value, place) => cell(value, columns[place]?.numeric))));
  return h('table', null, h('thead', null, h('tr', null, head)), h('tbody', null, body));
}

/** Is a type of column, of the row schema or of Arrow, one of numbers? */
export function numeric(type) {
  return /^([uif]\d|u?int\d|float\d|decimal)/i.test(type);
}

/** The parameters that say which rows: `be` begins the first key column, `a,be` the second. */
function wanted(view, typed) {
  if (typed === '' || view.key.length === 0) return [];
  const values = view.key.length === 1 ? [typed] : typed.split(',');
  const last = Math.min(values.length, view.key.length) - 1;
  const whole = [...values.slice(0, last), values.slice(last).join(',')];
  if (view.key[last].type !== 'string') {
    return [['key_json', JSON.stringify(whole.filter((value, n) => n < last || value !== ''))]];
  }
  const before = whole.slice(0, last);
  const start = ['prefix', whole[last]];
  return before.length === 0 ? [start] : [['key_json', JSON.stringify(before)], start];
}

export class Browser {
  constructor() {
    this.flow = null;
    this.view = null;
    /** Where the pages up to the one shown begin. */
    this.cursors = [null];
    this.next = null;
    /** The epoch to read at; null for the latest. */
    this.asOf = null;
    this.range = [0, 0];
    this.shown = 0;
    this.due = null;
    this.stop = new AbortController();
    byId('find').addEventListener('submit', (event) => {
      event.preventDefault();
      this.restart();
    });
    byId('prefix').addEventListener('input', () => this.soon());
    byId('as-of').addEventListener('input', () => this.slide());
    byId('latest').addEventListener('click', () => this.latest());
    byId('next').addEventListener('click', () => this.page(1));
    byId('previous').addEventListener('click', () => this.page(-1));
  }

  /** Shows a view: `{view, key, value}` of `dataflow`. */
  open(dataflow, view) {
    this.flow = dataflow;
    this.view = view;
    byId('prefix').value = '';
    const key = view.key.map((column) => column.name);
    const how = view.key[0]?.type === 'string' ? 'starts with' : 'is';
    byId('prefix-label').textContent = `${key.join(', ')} ${how}`;
    byId('prefix').parentElement.hidden = key.length === 0;
    byId('rows').replaceChildren();
    this.latest();
  }

  /** The epochs that can be read are others now. */
  moved(since, upper) {
    this.range = [since, upper];
    const slider = byId('as-of');
    slider.min = since;
    slider.max = Math.max(upper - 1, since);
    slider.disabled = upper === 0;
    if (this.asOf === null) {
      slider.value = slider.max;
      if (upper > this.seen && this.cursors.length === 1 && Date.now() - this.shown > REFRESH) {
        this.load(true);
      }
    } else {
      slider.value = this.asOf;
    }
    this.label();
  }

  label() {
    const slider = byId('as-of');
    const [since, upper] = this.range;
    const epoch = this.asOf ?? (upper > 0 ? upper - 1 : null);
    byId('as-of-epoch').textContent = epoch === null ? '–' : grouped(epoch);
    byId('latest').setAttribute('aria-pressed', String(this.asOf === null));
    slider.setAttribute('aria-valuetext',
      this.asOf === null ? 'latest' : `epoch ${this.asOf} of ${since} to ${upper - 1}`);
  }

  slide() {
    this.asOf = Number(byId('as-of').value);
    this.label();
    this.soon();
  }

  latest() {
    this.asOf = null;
    byId('as-of').value = byId('as-of').max;
    this.label();
    this.restart();
  }

  /** Reads when the user has paused for a moment. */
  soon() {
    clearTimeout(this.due);
    this.due = setTimeout(() => this.restart(), 180);
  }

  restart() {
    clearTimeout(this.due);
    this.cursors = [null];
    this.load(false);
  }

  page(step) {
    if (step > 0 ? this.next === null : this.cursors.length === 1) return;
    if (step > 0) this.cursors.push(this.next);
    else this.cursors.pop();
    this.load(false);
  }

  address() {
    const query = new URLSearchParams(wanted(this.view, byId('prefix').value));
    query.set('limit', PAGE_ROWS);
    const cursor = this.cursors.at(-1);
    if (cursor !== null) query.set('cursor', cursor);
    if (this.asOf !== null) query.set('as_of', this.asOf);
    return `${at(this.flow, 'views', this.view.view)}?${query}`;
  }

  /** Reads the page; `quietly` when nobody asked for it. */
  async load(quietly) {
    if (!this.view) return;
    this.stop.abort();
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.shown = Date.now();
    this.seen = this.range[1];
    try {
      const answer = await json(this.address(), { signal });
      this.show(answer, quietly);
    } catch (error) {
      if (signal.aborted) return;
      this.next = null;
      this.say(error.message, true);
      this.buttons();
    }
  }

  show(answer, quietly) {
    const { view } = this;
    const columns = [
      ...view.key.map((column) => ({ ...column, key: true })), ...view.value,
    ].map((column) => ({ ...column, numeric: numeric(column.type) }));
    if (answer.rows.some((row) => '_times' in row)) {
      columns.push({ name: '_times', numeric: true });
      answer.rows.forEach((row) => (row._times ??= 1));
    }
    this.next = answer.cursor;
    const rows = byId('rows');
    const place = quietly ? rows.scrollTop : 0;
    rows.replaceChildren(answer.rows.length === 0
      ? h('p', { class: 'empty' }, 'No rows.')
      : table(columns, answer.rows, (row) => columns.map(({ name }) => row[name])));
    rows.scrollTop = place;
    rows.dataset.epoch = answer.epoch ?? '';
    const count = answer.rows.length === 1 ? '1 row' : `${answer.rows.length} rows`;
    const epoch = answer.epoch === null ? 'before the first epoch' : `at epoch ${grouped(answer.epoch)}`;
    this.say(`${count}${answer.cursor ? ', more follow' : ''}, ${epoch}`, false, quietly);
    this.buttons();
  }

  /** Says how it went. What nobody asked for is not read out. */
  say(text, bad, quietly = false) {
    const status = byId('rows-status');
    status.setAttribute('aria-live', quietly ? 'off' : 'polite');
    status.classList.toggle('bad', bad);
    status.textContent = text;
  }

  buttons() {
    byId('next').disabled = this.next === null;
    byId('previous').disabled = this.cursors.length === 1;
    byId('page-number').textContent = `page ${this.cursors.length}`;
  }
}
