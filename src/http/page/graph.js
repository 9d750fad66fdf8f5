// The dataflow graph: operators of one scope, what flows between them, and what takes time.

import { Problem, at, json } from './api.js';
import { table } from './browser.js';
import { byId, duration, fitted, grouped, h, s, short } from './draw.js';
import { layered } from './layers.js';

const WIDTH = 168;
const HEIGHT = 58;
/** Between operators of a layer, and between layers. */
const GAP = 18;
const FLOW = 34;
/** More operators than this in one scope are shown as a table only. */
const NODES_MAX = 300;

/** What an operator and everything in it took, in nanoseconds. */
function totals(operators) {
  const total = new Map(operators.map((one) => [one.id, one.busy_ns]));
  for (const one of operators) {
    for (const scope of one.scope) total.set(scope, (total.get(scope) ?? 0) + one.busy_ns);
  }
  return total;
}

export class Graph {
  constructor() {
    this.flow = null;
    this.scope = null;
    this.graph = null;
    this.drawing = null;
  }

  open(dataflow) {
    this.flow = dataflow;
    this.scope = null;
    this.graph = null;
    this.drawing = null;
    byId('dataflow').hidden = true;
  }

  /** Asks for the figures; a server without them shows no graph. */
  async refresh() {
    const flow = this.flow;
    try {
      const graph = await json(at(flow, 'graph'));
      if (flow !== this.flow || graph.operators.length === 0) return;
      this.graph = graph;
      byId('dataflow').hidden = false;
      this.draw();
    } catch (error) {
      // No server of its own kind: other problems are those of the next second, too.
      if (error instanceof Problem && flow === this.flow && this.graph === null) {
        byId('dataflow').hidden = true;
      }
    }
  }

  /** The scope that is shown: one with several operators, unless another was chosen. */
  shown() {
    const { operators } = this.graph;
    const known = new Map(operators.map((one) => [one.id, one]));
    if (known.has(this.scope)) return known.get(this.scope);
    let scope = operators.find((one) => one.parent === null) ?? operators[0];
    for (;;) {
      const inside = operators.filter((one) => one.parent === scope.id);
      if (inside.length !== 1) return scope;
      [scope] = inside;
    }
  }

  enter(id) {
    this.scope = id;
    this.drawing = null;
    this.draw();
    byId('graph').focus({ preventScroll: true });
  }

  draw() {
    const { operators, channels, workers } = this.graph;
    const scope = this.shown();
    const total = totals(operators);
    const parents = new Set(operators.map((one) => one.parent));
    const nodes = operators.filter((one) => one.parent === scope.id);
    const known = new Set(nodes.map((one) => one.id));
    const edges = channels.filter(({ from, to }) => known.has(from.id) && known.has(to.id))
      .map(({ from, to, records }) => ({ from: from.id, to: to.id, records }));
    const all = total.get(operators[0].id) ?? 0;
    byId('graph-about').textContent = `${operators.length} operators, ` +
      `${workers === 1 ? '1 worker' : `${workers} workers`}, ${duration(all / 1e9)} of work`;
    this.scopes(scope);
    if (nodes.length <= NODES_MAX) this.picture(scope, nodes, edges, total, parents);
    else byId('graph').replaceChildren(h('p', { class: 'empty' },
      `${nodes.length} operators are too many to draw; the table has them.`));
    if (byId('operators').open) this.table(total);
  }

  /** The way to the scope shown, as buttons. */
  scopes(scope) {
    const names = new Map(this.graph.operators.map((one) => [one.id, one.name]));
    const path = [...scope.scope, scope.id];
    const buttons = path.map((id) => h('button', {
      type: 'button', 'aria-current': id === scope.id ? 'true' : null, disabled: id === scope.id,
      onclick: () => this.enter(id),
    }, names.get(id) ?? String(id)));
    const nav = byId('scopes');
    nav.hidden = path.length < 2;
    if (nav.dataset.path !== path.join()) nav.replaceChildren(...buttons);
    nav.dataset.path = path.join();
  }

  /** Drawn once per scope; after that only figures change, so that the focus stays. */
  picture(scope, nodes, edges, total, parents) {
    const wide = byId('graph').clientWidth;
    const ends = edges.map((edge) => [edge.from, edge.to]);
    const shape = JSON.stringify([wide, scope.id, nodes.map((one) => one.id), ends]);
    if (this.drawing?.shape !== shape) this.drawing = this.layout(shape, nodes, edges, parents);
    const most = Math.max(1, ...nodes.map((one) => total.get(one.id)));
    for (const one of nodes) {
      const parts = this.drawing.nodes.get(one.id);
      const busy = total.get(one.id);
      const held = one.records_held > 0 ? `, holds ${short(one.records_held)}` : '';
      const records = `${short(one.records_in)} in, ${short(one.records_out)} out${held}`;
      parts.records.textContent = records;
      parts.records.style.fontSize = `${Math.min(11, (WIDTH - 18) / (0.55 * records.length))}px`;
      parts.time.textContent = duration(busy / 1e9);
      parts.heat.setAttribute('width', ((WIDTH - 2) * busy) / most);
      parts.node.setAttribute('aria-label', `${one.name}: ${one.records_in} records in, ` +
        `${one.records_out} out, ${one.records_held} held, ${duration(busy / 1e9)}`);
    }
    edges.forEach((edge, place) => {
      const { path, title } = this.drawing.edges[place];
      title.textContent = `${grouped(edge.records)} records`;
      path.setAttribute('stroke-width', (1 + Math.log10(1 + edge.records) / 2).toFixed(2));
    });
  }

  layout(shape, nodes, edges, parents) {
    const { layers, back } = layered(nodes.map((one) => one.id), edges);
    // From left to right where that fits, else from top to bottom.
    const room = byId('graph').clientWidth;
    const across = layers.length * (WIDTH + FLOW) - FLOW + 4 <= room;
    const widest = Math.max(...layers.map((row) => row.length), 1);
    const [size, breadth] = across ? [HEIGHT, WIDTH] : [WIDTH, HEIGHT];
    const side = widest * (size + GAP) - GAP + 4;
    const long = layers.length * (breadth + FLOW) - FLOW + 4;
    const place = new Map();
    layers.forEach((row, number) => row.forEach((id, n) => {
      const along = 2 + number * (breadth + FLOW);
      const beside = (side - row.length * (size + GAP) + GAP) / 2 + n * (size + GAP);
      place.set(id, across ? { x: along, y: beside } : { x: beside, y: along });
    }));
    // Room for what flows back around the side.
    const margin = back.size > 0 ? GAP : 0;
    const [width, height] = across ? [long, side + margin] : [side + margin, long];
    const drawnEdges = edges.map((edge) => {
      const title = s('title');
      const [a, b] = [place.get(edge.from), place.get(edge.to)];
      const path = s('path', {
        class: back.has(edge) ? 'channel back' : 'channel', d: curve(a, b, across, back.has(edge)),
      }, title);
      return { path, title };
    });
    const drawnNodes = new Map(nodes.map((one) =>
      [one.id, this.node(one, place.get(one.id), parents.has(one.id))]));
    byId('graph').replaceChildren(s('svg', {
      width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': 'Operators',
    }, drawnEdges.map((edge) => edge.path), [...drawnNodes.values()].map((parts) => parts.node)));
    // What it begins with is in the middle.
    byId('graph').scrollLeft = (width - room) / 2;
    return { shape, nodes: drawnNodes, edges: drawnEdges };
  }

  node(one, { x, y }, inside) {
    const enter = () => this.enter(one.id);
    const name = inside ? `${one.name} ›` : one.name;
    const parts = {
      heat: s('rect', { class: 'heat', x: x + 1, y: y + HEIGHT - 4, width: 0, height: 3 }),
      records: s('text', { class: 'quiet', x: x + 9, y: y + 48 }),
      time: s('text', { class: 'quiet', x: x + 9, y: y + 33 }),
    };
    parts.node = s('g', {
      class: inside ? 'node inside' : 'node', role: inside ? 'button' : 'img',
      tabindex: inside ? 0 : null, onclick: inside ? enter : null,
      onkeydown: inside ? (event) => (event.key === 'Enter' || event.key === ' ') &&
        (event.preventDefault(), enter()) : null,
    },
    s('title', null, one.name),
    s('rect', { class: 'box', x, y, width: WIDTH, height: HEIGHT, rx: 5 }),
    fitted(name, x + 9, y + 17, WIDTH - 18, 12.5, { class: 'name' }),
    parts.time, parts.records, parts.heat);
    return parts;
  }

  table(total) {
    const columns = [
      { name: 'Operator', key: true },
      { name: 'In', numeric: true },
      { name: 'Out', numeric: true },
      { name: 'Held', numeric: true },
      { name: 'Time', numeric: true },
    ];
    const scopes = new Set(this.graph.operators.map((one) => one.parent));
    const leaves = this.graph.operators.filter((one) => !scopes.has(one.id));
    leaves.sort((a, b) => b.busy_ns - a.busy_ns);
    byId('operator-rows').replaceChildren(table(columns, leaves, (one) => [
      one.name, grouped(one.records_in), grouped(one.records_out), grouped(one.records_held),
      duration(total.get(one.id) / 1e9),
    ]));
  }
}

/** From one operator to the next; against the flow, around the side. */
function curve(a, b, across, back) {
  if (across) {
    const [x, y, u, v] = [a.x + WIDTH, a.y + HEIGHT / 2, b.x, b.y + HEIGHT / 2];
    if (!back) return `M${x} ${y}C${(x + u) / 2} ${y} ${(x + u) / 2} ${v} ${u} ${v}`;
    const side = Math.max(a.y, b.y) + HEIGHT + GAP / 2;
    return `M${x} ${y}C${x + 24} ${y} ${x + 24} ${side} ${x} ${side}` +
      `L${u} ${side}C${u - 24} ${side} ${u - 24} ${v} ${u} ${v}`;
  }
  const [x, y, u, v] = [a.x + WIDTH / 2, a.y + HEIGHT, b.x + WIDTH / 2, b.y];
  if (!back) return `M${x} ${y}C${x} ${(y + v) / 2} ${u} ${(y + v) / 2} ${u} ${v}`;
  const side = Math.max(a.x, b.x) + WIDTH + GAP / 2;
  return `M${x} ${y}C${x} ${y + 24} ${side} ${y + 24} ${side} ${y}` +
    `L${side} ${v}C${side} ${v - 24} ${u} ${v - 24} ${u} ${v}`;
}
