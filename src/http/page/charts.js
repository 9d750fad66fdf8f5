// Rates and freshness as small charts, one sample a second.

import { byId, drawn, duration, h, s, short } from './draw.js';

const SAMPLES = 120;
const HEIGHT = 56;

/** Charts in the order shown; a value of null leaves a gap, one that is never there no chart. */
const CHARTS = [
  { id: 'events', title: 'Events a second', unit: short },
  { id: 'epochs', title: 'Epochs a second', unit: short },
  { id: 'reads', title: 'Reads a second', unit: short },
  { id: 'behind', title: 'Epochs not visible yet', unit: short, lag: true },
  { id: 'seconds', title: 'Age of the oldest of them', unit: duration, lag: true },
];

/** The next of 1, 2, 5, 10, … at or above. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((bound) => bound >= value * 0.9999);
}

function trace(values, top, width) {
  const x = (place) => ((place + SAMPLES - values.length) * width) / (SAMPLES - 1);
  const y = (value) => HEIGHT - 1 - (value / top) * (HEIGHT - 16);
  const lines = [];
  let run = [];
  for (const [place, value] of [...values, null].entries()) {
    if (value !== null) {
      run.push([x(place), y(value)]);
    } else if (run.length > 0) {
      lines.push(run);
      run = [];
    }
  }
  const text = (points) => points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(' ');
  return lines.flatMap((line) => {
    const base = [[line.at(-1)[0], HEIGHT - 1], [line[0][0], HEIGHT - 1]];
    return [
      s('polygon', { class: 'wash', points: text([...line, ...base]) }),
      s('polyline', { class: 'trace', points: text(line) }),
    ];
  });
}

function chart({ id, title, unit, lag }) {
  const value = h('p', { 'data-chart': id }, '–');
  const place = h('div');
  const values = [];
  const redraw = drawn(place, (width) => {
    const known = values.filter((sample) => sample !== null);
    const most = Math.max(...known, 0);
    const top = most > 0 ? ceiling(most) : 1;
    const label = `${title}: ${value.textContent}; at most ${unit(most)} in two minutes`;
    place.replaceChildren(s('svg', {
      role: 'img', 'aria-label': label, width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`,
    },
    s('line', { class: 'hair', x1: 0, x2: width, y1: 15, y2: 15 }),
    s('line', { class: 'hair', x1: 0, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
    trace(values, top, width),
    most > 0 ? s('text', { x: 0, y: 11 }, unit(top)) : null));
  });
  const element = h('div', { class: lag ? 'chart lag' : 'chart', hidden: true },
    h('h3', null, title), value, place);
  return {
    element,
    add(sample) {
      if (sample !== null) element.hidden = false;
      values.push(sample);
      if (values.length > SAMPLES) values.shift();
      value.textContent = sample === null ? '–' : unit(sample);
      redraw();
    },
    clear() {
      values.length = 0;
    },
  };
}

/** A rate from a count that grows; a count that fell belongs to another process. */
function rate() {
  let before = null;
  return (count, time) => {
    const last = before;
    before = count === null ? null : { count, time };
    if (last === null || count === null || count < last.count || time <= last.time) return null;
    return (count - last.count) / (time - last.time);
  };
}

const READS = [
  '/v1/dataflows/{dataflow}/views/{view}', '/v1/dataflows/{dataflow}/snapshot', '/v1/sql',
];

/** What clients read, over HTTP and otherwise; null where nothing is counted. */
function reads(metrics) {
  const counted = metrics.filter((sample) =>
    (sample.name === 'diptych_http_requests_total' && READS.includes(sample.labels.path)) ||
    sample.name === 'diptych_pg_queries_total');
  const any = metrics.some((sample) => sample.name === 'diptych_http_requests_total');
  return any ? counted.reduce((sum, sample) => sum + sample.value, 0) : null;
}

/** Draws into the page; gives what takes samples. */
export function charts() {
  const shown = new Map(CHARTS.map((about) => [about.id, chart(about)]));
  byId('charts').append(...[...shown.values()].map((one) => one.element));
  let rates = null;
  const restart = () => {
    rates = { events: rate(), epochs: rate(), reads: rate() };
  };
  restart();
  return {
    /** Another dataflow: its samples do not go on from the other's. */
    clear() {
      restart();
      shown.forEach((one) => one.clear());
    },
    add(status, flow, metrics) {
      const time = performance.now() / 1000;
      const streams = status.log.streams.filter((one) => flow.streams.includes(one.stream));
      const events = streams.reduce((sum, stream) => sum + Number(stream.rows), 0);
      const lag = metrics.find((sample) =>
        sample.name === 'diptych_lag_seconds' && sample.labels.dataflow === flow.dataflow);
      shown.get('events').add(rates.events(events, time));
      shown.get('epochs').add(rates.epochs(status.log.upper, time));
      shown.get('reads').add(rates.reads(reads(metrics), time));
      shown.get('behind').add(status.log.upper - flow.upper);
      shown.get('seconds').add(lag ? lag.value : null);
    },
    /** Nothing is known of this second. */
    gap() {
      shown.forEach((one) => one.add(null));
    },
  };
}
