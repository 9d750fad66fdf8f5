// The Lambda picture: where the log, both layers and the index are.

import { byId, bytes, drawn, fitted, grouped, s } from './draw.js';

const NARROW = 620;

/** What is known of a dataflow, in words; epochs are half open: [from, to). */
function facts(status, flow) {
  const log = status.log;
  const streams = log.streams.filter((stream) => flow.streams.includes(stream.stream));
  const events = streams.reduce((sum, stream) => sum + Number(stream.rows), 0);
  const memory = flow.views.reduce((sum, view) => sum + view.bytes, 0);
  const views = flow.views.length === 1 ? '1 view' : `${flow.views.length} views`;
  const names = streams.map((stream) => stream.stream).join(', ');
  const speed = flow.upper - flow.boundary;
  return {
    log: {
      name: 'Log',
      main: `upper ${grouped(log.upper)}`,
      notes: [`${grouped(events)} events`, names || 'no events yet'],
    },
    batch: {
      name: 'Batch layer',
      main: flow.boundary > 0 ? `[0, ${grouped(flow.boundary)})` : 'none yet',
      notes: [flow.boundary > 0 ? `all before F = ${grouped(flow.boundary)}` : 'F = 0'],
    },
    speed: {
      name: 'Speed layer',
      main: `[${grouped(flow.boundary)}, ${grouped(flow.upper)})`,
      notes: [speed === 1 ? '1 epoch since F' : `${grouped(speed)} epochs since F`],
    },
    serving: {
      name: 'Serving index',
      main: flow.epoch === null ? 'no epoch yet' : `epoch ${grouped(flow.epoch)}`,
      notes: [
        `${views}, ${bytes(memory)}`,
        flow.verified === null ? 'not verified yet' : `verified at ${grouped(flow.verified)}`,
      ],
    },
  };
}

function box(kind, { name, main, notes }, x, y, width, height) {
  const pad = 12;
  const room = width - 2 * pad;
  const lines = notes.map((note, line) =>
    fitted(note, x + pad, y + 64 + 18 * line, room, 12.5, { class: 'quiet' }));
  return s('g', { class: kind },
    s('rect', { class: 'box', x, y, width, height, rx: 7 }),
    s('text', { class: 'name', x: x + pad, y: y + 22 }, name),
    fitted(main, x + pad, y + 44, room, 16, { class: 'mono' }),
    lines);
}

function arrow(from, to, down) {
  const [x, y] = from;
  const [u, v] = to;
  const path = down
    ? `M${x} ${y}C${x} ${(y + v) / 2} ${u} ${(y + v) / 2} ${u} ${v - 6}`
    : `M${x} ${y}C${(x + u) / 2} ${y} ${(x + u) / 2} ${v} ${u - 6} ${v}`;
  const tip = down
    ? `${u - 5},${v - 8} ${u + 5},${v - 8} ${u},${v}`
    : `${u - 8},${v - 5} ${u - 8},${v + 5} ${u},${v}`;
  return [s('path', { class: 'arrow', d: path }), s('polygon', { class: 'tip', points: tip })];
}

function wide(shown, width) {
  const side = Math.min(260, width * 0.27);
  const middle = (width - side) / 2;
  const right = width - side;
  const height = 190;
  return { height, parts: [
    box('log', shown.log, 1, 46, side - 2, 96),
    box('batch', shown.batch, middle, 4, side, 80),
    box('speed', shown.speed, middle, 106, side, 80),
    box('serving', shown.serving, right + 1, 46, side - 2, 96),
    arrow([side - 1, 84], [middle, 44]),
    arrow([side - 1, 104], [middle, 146]),
    arrow([middle + side, 44], [right + 1, 84]),
    arrow([middle + side, 146], [right + 1, 104]),
  ] };
}

function narrow(shown, width) {
  const half = (width - 14) / 2;
  const left = half / 2;
  const right = width - left;
  const middle = width / 2;
  return { height: 356, parts: [
    box('log', shown.log, 1, 2, width - 2, 92),
    box('batch', shown.batch, 1, 138, half, 80),
    box('speed', shown.speed, width - half - 1, 138, half, 80),
    box('serving', shown.serving, 1, 262, width - 2, 92),
    arrow([middle - 20, 94], [left, 138], true),
    arrow([middle + 20, 94], [right, 138], true),
    arrow([left, 218], [middle - 20, 262], true),
    arrow([right, 218], [middle + 20, 262], true),
  ] };
}

function pictured(status, flow, width) {
  const shown = facts(status, flow);
  const { height, parts } = width < NARROW ? narrow(shown, width) : wide(shown, width);
  const said = Object.values(shown).map((part) => [part.name, part.main, ...part.notes].join(', '));
  return s('svg', {
    role: 'img', width, height, viewBox: `0 0 ${width} ${height}`, 'aria-label': said.join('; '),
  }, parts);
}

/** One line for each part of the epochs there are. */
function laned(status, flow, width) {
  const { lower, upper: end } = status.log;
  const { since, upper, boundary, verified } = flow;
  const labels = width < NARROW ? 74 : 92;
  const values = width < NARROW ? 106 : 190;
  const room = width - labels - values;
  const x = (epoch) => labels + (room * Math.min(epoch, end)) / Math.max(end, 1);
  const lanes = [
    ['Log', 'log', 'log', lower, end, 'upper'],
    ['Batch', 'batch', 'boundary', 0, boundary, width < NARROW ? 'F' : 'boundary F'],
    ['Speed', 'speed', 'upper', boundary, upper, 'upper'],
    ['Readable', 'serving', 'since', since, upper, 'since'],
  ];
  const step = 24;
  const parts = lanes.map(([name, kind, frontier, from, to, what], row) => {
    const y = row * step + 4;
    const value = frontier === 'since' ? from : to;
    const bar = Math.max(x(to) - x(from), to > from ? 2 : 0);
    return [
      s('text', { x: 0, y: y + 12, class: 'quiet' }, name),
      s('line', { class: 'hair', x1: labels, x2: width - values, y1: y + 8, y2: y + 8 }),
      bar > 0 &&
        s('rect', { class: kind, x: Math.min(x(from), labels + room - bar), y, width: bar,
          height: 16, rx: 2 }),
      fitted(`${what} ${grouped(value)}`, width - values + 10, y + 12, values - 10, 12.5,
        { class: 'mono', 'data-frontier': frontier, 'data-value': value }),
    ].filter(Boolean);
  });
  const y = lanes.length * step + 4;
  const at = verified === null ? null : x(verified + 1);
  parts.push([
    s('text', { x: 0, y: y + 12, class: 'quiet' }, 'Verified'),
    s('line', { class: 'hair', x1: labels, x2: width - values, y1: y + 8, y2: y + 8 }),
    at === null ? null : s('line', { class: 'mark', x1: at, x2: at, y1: y, y2: y + 16 }),
    fitted(verified === null ? 'not yet' : `epoch ${grouped(verified)}`, width - values + 10,
      y + 12, values - 10, 12.5,
      { class: 'mono', 'data-frontier': 'verified', 'data-value': verified ?? '' }),
  ]);
  const height = y + 20;
  const said = `Epochs of the log: [${lower}, ${end}); batch layer: [0, ${boundary}); ` +
    `speed layer: [${boundary}, ${upper}); readable: [${since}, ${upper}); ` +
    (verified === null ? 'not verified yet' : `verified at ${verified}`);
  return s('svg', {
    role: 'img', width, height, viewBox: `0 0 ${width} ${height}`, 'aria-label': said,
  }, parts);
}

/** Draws into the page; gives the function that takes what is new. */
export function picture() {
  let now = null;
  const boxes = byId('picture');
  const lanes = byId('lanes');
  const redraw = [
    drawn(boxes, (width) => now && boxes.replaceChildren(pictured(...now, width))),
    drawn(lanes, (width) => now && lanes.replaceChildren(laned(...now, width))),
  ];
  return (status, flow) => {
    now = [status, flow];
    redraw.forEach((draw) => draw());
  };
}
