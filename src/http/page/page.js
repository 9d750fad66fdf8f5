// The page: looks at the server once a second and tells its parts.

import { Problem, json, onTokenNeeded, samples, text } from './api.js';
import { Browser } from './browser.js';
import { Changes } from './changes.js';
import { charts } from './charts.js';
import { byId, h } from './draw.js';
import { Graph } from './graph.js';
import { keys, visit } from './keys.js';
import { picture } from './picture.js';
import { sqlBox } from './sql.js';

const TICK = 1000;
/** The graph is asked for once in so many ticks. */
const GRAPH_TICKS = 2;

const show = picture();
const chart = charts();
const browser = new Browser();
const changes = new Changes();
const graph = new Graph();
const sql = sqlBox();

/** What the server serves, by dataflow; and what is chosen of it. */
let catalog = new Map();
let chosen = null;
let ticks = 0;

function health(state, words) {
  const element = byId('health');
  // Only what is new is said: it is read out.
  if (element.textContent !== words) element.textContent = words;
  element.dataset.state = state;
}

/** Offers `names` in a list, and keeps what was chosen if it can. */
function offer(id, names, wished) {
  const list = byId(id);
  if ([...list.options].map((one) => one.value).join('\n') !== names.join('\n')) {
    list.replaceChildren(...names.map((name) => h('option', { value: name }, name)));
  }
  if (names.includes(wished)) list.value = wished;
  return list.value;
}

/** The choice is in the address, so that it can be kept and sent. */
function wish() {
  const [dataflow, view] = location.hash.slice(1).split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return '';
    }
  });
  return { dataflow, view };
}

function choose(flow, wished) {
  const about = catalog.get(flow.dataflow);
  const name = offer('view', about.views.map((view) => view.view), wished);
  const view = about.views.find((one) => one.view === name);
  const other = chosen?.dataflow !== flow.dataflow;
  if (!other && chosen?.view === name && chosen?.version === flow.version) return;
  chosen = { dataflow: flow.dataflow, view: name, version: flow.version };
  if (other) {
    chart.clear();
    graph.open(flow.dataflow);
  }
  if (!view) return;
  history.replaceState(null, '', `#${[flow.dataflow, name].map(encodeURIComponent).join('/')}`);
  browser.moved(flow.since, flow.upper);
  browser.open(flow.dataflow, view);
  changes.open(flow.dataflow, name, flow.upper);
  sql.suggest(flow.dataflow, view);
}

/** What is served may have another version, with other columns. */
async function learn(status) {
  const same = status.dataflows.every((flow) =>
    catalog.get(flow.dataflow)?.version === flow.version);
  if (same && catalog.size === status.dataflows.length) return;
  const { dataflows } = await json('/v1/dataflows');
  catalog = new Map(dataflows.map((flow) => [flow.dataflow, flow]));
}

async function metrics() {
  try {
    return samples(await text('/metrics'));
  } catch (error) {
    // Without them there are fewer charts.
    if (error instanceof Problem) return [];
    throw error;
  }
}

/** What somebody must look at; says whether there is something. */
function concerns(status) {
  const list = byId('concerns');
  const words = status.concerns.map((one) => `${one.reason}${one.remedy && ` (${one.remedy})`}`);
  list.hidden = words.length === 0;
  // Only what is new is said: it is read out.
  if ([...list.children].map((one) => one.textContent).join('\n') !== words.join('\n')) {
    list.replaceChildren(...words.map((one) => h('li', {}, one)));
  }
  return words.length > 0;
}

async function look() {
  const [status, figures] = await Promise.all([json('/v1/status'), metrics()]);
  const concerned = concerns(status);
  await learn(status);
  const served = status.dataflows.filter((flow) => catalog.has(flow.dataflow));
  if (served.length === 0) {
    health('wait', 'no dataflow is served');
    return;
  }
  const wished = wish();
  const list = byId('flow');
  const name = offer('flow', served.map((flow) => flow.dataflow), list.value || wished.dataflow);
  const flow = served.find((one) => one.dataflow === name);
  choose(flow, byId('view').value || wished.view);
  show(status, flow);
  chart.add(status, flow, figures);
  browser.moved(flow.since, flow.upper);
  changes.upper = flow.upper;
  const failure = byId('failure');
  const trouble = flow.failure ?? flow.rebuilding;
  // It comes to be a concern, and is told there then.
  failure.hidden = trouble === null || concerned;
  if (trouble !== null && failure.textContent !== trouble) {
    failure.textContent = trouble;
  }
  if (flow.failure !== null) health('bad', `${name} has stopped`);
  else if (flow.rebuilding !== null) health('wait', `${name} is being rebuilt`);
  else if (concerned) health('bad', status.concerns[0].kind.replaceAll('_', ' '));
  else health('good', 'live');
  if (ticks % GRAPH_TICKS === 0) graph.refresh();
  ticks += 1;
}

async function tick() {
  const begun = performance.now();
  if (!document.hidden) {
    try {
      await look();
    } catch (error) {
      const words = error instanceof Problem ? error.message : 'the server does not answer';
      health('bad', words);
      chart.gap();
    }
  }
  setTimeout(tick, Math.max(TICK - (performance.now() - begun), 100));
}

/** Asks for a token until one is given. */
function askForToken(wrong) {
  const dialog = byId('login');
  byId('login-wrong').hidden = !wrong;
  health('wait', 'waiting for a token');
  byId('token').value = '';
  if (!dialog.open) dialog.showModal();
  byId('token').focus();
  return new Promise((resolve) => {
    byId('login-form').addEventListener('submit', () => resolve(byId('token').value), {
      once: true,
    });
  });
}

function theme() {
  const name = window.nextTheme();
  byId('theme').textContent = `Theme: ${name}`;
}

onTokenNeeded(askForToken);
// Without a token there is nothing to show, so the question stays.
byId('login').addEventListener('cancel', (event) => event.preventDefault());
byId('theme').textContent = `Theme: ${document.documentElement.dataset.theme}`;
byId('theme').addEventListener('click', theme);
byId('operators').addEventListener('toggle', () => graph.graph && graph.draw());
for (const id of ['flow', 'view']) {
  byId(id).addEventListener('change', () => look().catch(() => chart.gap()));
}
keys([
  { key: '/', what: 'Search the view', act: () => byId('prefix').focus() },
  { key: 'n', what: 'Next page', act: () => browser.page(1) },
  { key: 'p', what: 'Previous page', act: () => browser.page(-1) },
  { key: 'a', what: 'Read as of an epoch', act: () => byId('as-of').focus() },
  { key: 'l', what: 'Read the latest epoch', act: () => browser.latest() },
  { key: 'f', what: 'Follow or pause changes', act: () => changes.toggle() },
  { key: 's', what: 'Write SQL', act: () => byId('sql').focus() },
  { key: 't', what: 'Next theme', act: theme },
  { key: '1', what: 'Now', act: () => visit('now') },
  { key: '2', what: 'Rates and freshness', act: () => visit('rates') },
  { key: '3', what: 'Views', act: () => visit('views') },
  { key: '4', what: 'Live changes', act: () => visit('live') },
  { key: '5', what: 'SQL', act: () => visit('query') },
  { key: '6', what: 'Dataflow', act: () => visit('dataflow') },
]);
tick();
