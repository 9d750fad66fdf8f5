// Elements, SVG and numbers.

const SVG = 'http://www.w3.org/2000/svg';

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => (child ?? null) !== null));
  return element;
}

/** An element of the page. */
export function h(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An element of a picture. */
export function s(name, attributes, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

export const byId = (id) => document.getElementById(id);

/** 1234567 as 1,234,567. */
export function grouped(value) {
  return value.toLocaleString('en-US');
}

/** 1234567 as 1.23M: three digits that count. */
export function short(value) {
  const size = Math.abs(value);
  if (size < 10 && !Number.isInteger(value)) return value.toFixed(size < 1 ? 2 : 1);
  if (size < 1000) return String(Math.round(value));
  const units = ['k', 'M', 'G', 'T', 'P'];
  let scaled = size;
  let unit = -1;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  const digits = scaled < 10 ? 2 : scaled < 99.95 ? 1 : 0;
  return (value < 0 ? '-' : '') + scaled.toFixed(digits) + units[unit];
}

/** Bytes in the unit that fits. */
export function bytes(value) {
  return value < 1000 ? `${value} B` : short(value).replace(/([a-zA-Z])$/, ' $1B');
}

/** Seconds in the unit that fits. */
export function duration(seconds) {
  if (seconds === 0) return '0 s';
  if (seconds < 1e-3) return `${short(seconds * 1e6)} µs`;
  if (seconds < 1) return `${short(seconds * 1e3)} ms`;
  if (seconds < 120) return `${short(seconds)} s`;
  if (seconds < 7200) return `${short(seconds / 60)} min`;
  return `${short(seconds / 3600)} h`;
}

/** Text that is made smaller where its place is narrow. */
export function fitted(text, x, y, room, size, attributes) {
  // A digit of the number font takes 0.6 of its size.
  const fits = Math.min(size, room / (0.6 * Math.max(text.length, 1)));
  const element = s('text', { x, y, ...attributes }, text);
  // The style sheet would win over an attribute.
  element.style.fontSize = `${fits.toFixed(2)}px`;
  return element;
}

/** Calls `draw(width)` now and whenever the width changes. */
export function drawn(element, draw) {
  let width = 0;
  const redraw = () => {
    const now = Math.floor(element.clientWidth);
    if (now > 0) {
      width = now;
      draw(width);
    }
  };
  new ResizeObserver(() => {
    if (Math.floor(element.clientWidth) !== width) redraw();
  }).observe(element);
  return redraw;
}
