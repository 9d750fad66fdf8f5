// Requests to this server: the token, problems as errors, streams of events.

const KEY = 'diptych.token';
/** Bytes of an answer that the page takes: it shows rows to people. */
const ANSWER_BYTES_MAX = 16 << 20;

let ask = null;
let asking = null;

/** An answer that is a problem. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** `handler(wrong)` asks the user for a token; `wrong`: there was one, and it was refused. */
export function onTokenNeeded(handler) {
  ask = handler;
}

async function needToken(used) {
  if (sessionStorage.getItem(KEY) !== used) return;
  // However many requests were refused, the user is asked once.
  asking ??= ask(used !== null).finally(() => {
    asking = null;
  });
  sessionStorage.setItem(KEY, await asking);
}

async function problemOf(response) {
  const text = (await response.text()).slice(0, 2000);
  try {
    return new Problem(response.status, JSON.parse(text).detail ?? text);
  } catch {
    return new Problem(response.status, text || response.statusText || `status ${response.status}`);
  }
}

/** A good response. Asks for a token while the server does. */
export async function request(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = { ...options.headers };
    if (token !== null) headers.authorization = `Bearer ${token}`;
    const response = await fetch(path, { ...options, headers, cache: 'no-store' });
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (response.status !== 401) throw problem;
    await needToken(token);
  }
}

/** Whole numbers that a double cannot hold stay what they are. */
function exact(_name, value, context) {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

export function parse(text) {
  return JSON.parse(text, exact);
}

/** The text of an answer, up to a bound. */
export async function text(path, options = {}) {
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const response = await request(path, { ...options, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return parts.join('');
    parts.push(value);
    size += value.length;
    if (size > ANSWER_BYTES_MAX) {
      stop.abort();
      throw new Problem(0, 'the answer is larger than 16 MB: ask for fewer rows (LIMIT)');
    }
  }
}

export async function json(path, options) {
  return parse(await text(path, options));
}

/** The address of something of a dataflow. */
export function at(dataflow, ...rest) {
  return ['/v1/dataflows', dataflow, ...rest].map(segment).join('/');
}

function segment(part, place) {
  return place === 0 ? part : encodeURIComponent(part);
}

/** Server-Sent Events, as `{name, id, data}`. EventSource cannot carry a token. */
export async function* events(path, signal) {
  const response = await request(path, { signal, headers: { accept: 'text/event-stream' } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let event = { name: 'message', id: null, data: [] };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (event.data.length > 0) yield { ...event, data: parse(event.data.join('\n')) };
        event = { name: 'message', id: null, data: [] };
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const content = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'event') event.name = content;
      else if (field === 'id') event.id = content;
      else if (field === 'data') event.data.push(content);
    }
  }
}

/** Samples of `/metrics`, as `{name, labels, value}`. */
export function samples(text) {
  const found = [];
  for (const line of text.split('\n')) {
    const parts = /^([a-zA-Z_:]\w*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!parts) continue;
    const labels = {};
    for (const [, name, value] of (parts[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    }
    found.push({ name: parts[1], labels, value: Number(parts[3]) });
  }
  return found;
}
