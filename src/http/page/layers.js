// Places the operators of a scope in layers, so that records flow downwards.

/**
 * Gives each node of `nodes` (ids) a layer and a place in it: `{layers: [[id]], back: Set of
 * edges against the flow}`. An edge is `{from, to}`.
 */
export function layered(nodes, edges) {
  const { order, back } = sorted(nodes, edges);
  const forward = edges.filter((edge) => !back.has(edge) && edge.from !== edge.to);
  const into = grouping(forward, 'to');
  const out = grouping(forward, 'from');
  const layer = new Map();
  for (const node of order) {
    const above = (into.get(node) ?? []).map((edge) => layer.get(edge.from));
    layer.set(node, above.length > 0 ? Math.max(...above) + 1 : 0);
  }
  // What nothing flows into stands right above the first that it flows into.
  for (const node of [...order].reverse()) {
    const below = (out.get(node) ?? []).map((edge) => layer.get(edge.to));
    if (!into.has(node) && below.length > 0) layer.set(node, Math.min(...below) - 1);
  }
  const layers = [];
  for (const node of order) (layers[layer.get(node)] ??= []).push(node);
  const dense = layers.filter((row) => row !== undefined);
  untangle(dense, into, out);
  return { layers: dense, back };
}

function grouping(edges, end) {
  const found = new Map();
  for (const edge of edges) {
    if (!found.has(edge[end])) found.set(edge[end], []);
    found.get(edge[end]).push(edge);
  }
  return found;
}

/** An order in which edges go forward, but for those that close a cycle. */
function sorted(nodes, edges) {
  const out = grouping(edges, 'from');
  const state = new Map();
  const order = [];
  const back = new Set();
  for (const root of nodes) {
    if (state.has(root)) continue;
    // Depth first without recursion: a dataflow may be long.
    const path = [[root, 0]];
    state.set(root, 'open');
    while (path.length > 0) {
      const step = path.at(-1);
      const edge = (out.get(step[0]) ?? [])[step[1]];
      step[1] += 1;
      if (edge === undefined) {
        state.set(step[0], 'done');
        order.push(step[0]);
        path.pop();
      } else if (state.get(edge.to) === 'open') {
        back.add(edge);
      } else if (!state.has(edge.to)) {
        state.set(edge.to, 'open');
        path.push([edge.to, 0]);
      }
    }
  }
  return { order: order.reverse(), back };
}

/** Orders each layer by the mean place of the neighbours, a few times down and up. */
function untangle(layers, into, out) {
  const place = new Map();
  const number = (row) => row.forEach((node, n) => place.set(node, n - (row.length - 1) / 2));
  layers.forEach(number);
  const sweep = (rows, edges, end) => {
    for (const row of rows) {
      const wish = new Map(row.map((node) => {
        const near = (edges.get(node) ?? []).map((edge) => place.get(edge[end]));
        const mean = near.reduce((sum, one) => sum + one, 0) / near.length;
        return [node, near.length > 0 ? mean : place.get(node)];
      }));
      row.sort((a, b) => wish.get(a) - wish.get(b));
      number(row);
    }
  };
  for (let round = 0; round < 4; round += 1) {
    sweep(layers, into, 'from');
    sweep([...layers].reverse(), out, 'to');
  }
}
