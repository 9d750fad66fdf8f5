// A box for one statement.

import { Problem, parse, text } from './api.js';
import { numeric, table } from './browser.js';
import { byId, duration, grouped } from './draw.js';

const ROWS_SHOWN = 500;

function say(words, bad = false) {
  const status = byId('sql-status');
  status.classList.toggle('bad', bad);
  status.textContent = words;
}

/** The epochs of an answer in words. */
function epochs(list) {
  return list.map(({ dataflow, epoch }) =>
    `${dataflow} ${epoch === undefined || epoch === null ? 'empty' : `at epoch ${grouped(epoch)}`}`);
}

function show(answer, seconds) {
  const rows = answer.rows;
  const columns = answer.columns.map((column) => {
    const { name, type = '' } = typeof column === 'string' ? { name: column } : column;
    return { name, numeric: numeric(type) };
  });
  const place = byId('sql-rows');
  place.hidden = false;
  place.scrollTop = 0;
  place.replaceChildren(table(columns, rows.slice(0, ROWS_SHOWN), (row) => row));
  const count = rows.length === 1 ? '1 row' : `${grouped(rows.length)} rows`;
  const cut = rows.length > ROWS_SHOWN ? `, the first ${ROWS_SHOWN} are shown` : '';
  const words = [`${count}${cut}`, duration(seconds), ...epochs(answer.epochs ?? []),
    ...(answer.notices ?? [])];
  say(words.join(', '));
  if (answer.error) say(`broken off: ${answer.error.detail ?? answer.error}`, true);
}

let running = null;

async function run() {
  const sql = byId('sql').value.trim() || byId('sql').placeholder;
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  say('running');
  const begun = performance.now();
  try {
    const answer = await text('/v1/sql', {
      method: 'POST', signal, body: JSON.stringify({ sql }),
      headers: { 'content-type': 'application/json', accept: 'application/json' },
    });
    show(parse(answer), (performance.now() - begun) / 1000);
  } catch (error) {
    if (signal.aborted) return;
    byId('sql-rows').hidden = true;
    const none = error instanceof Problem && error.status === 404;
    say(none ? `This server answers no SQL: ${error.message}` : error.message, true);
  }
}

/** Makes the box work. */
export function sqlBox() {
  byId('sql-form').addEventListener('submit', (event) => {
    event.preventDefault();
    run();
  });
  byId('sql').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  });
  const quoted = (name) => `"${name.replace(/"/g, '""')}"`;
  const plain = (name) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : quoted(name));
  return {
    /** Suggests a statement about a view. */
    suggest(dataflow, view) {
      const last = view.value.at(-1) ?? view.key.at(-1);
      const order = last ? ` ORDER BY ${plain(last.name)} DESC` : '';
      byId('sql').placeholder =
        `SELECT * FROM ${plain(dataflow)}.${plain(view.view)}${order} LIMIT 20`;
    },
  };
}
