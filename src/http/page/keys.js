// Keys for everything, listed under `?`.

import { byId, h } from './draw.js';

const typing = (element) =>
  element instanceof HTMLElement && element.matches('input:not([type=range]), select, textarea');

/** `actions` is a list of `{key, what, act}`; a key works unless something is typed. */
export function keys(actions) {
  const help = byId('help');
  const all = [
    ...actions,
    { key: '?', what: 'Show these keys', act: () => help.showModal() },
  ];
  byId('keys').append(...[
    ...all,
    { key: 'Ctrl Enter', what: 'Run the statement' },
    { key: '← →', what: 'One epoch back or forth, on the slider' },
    { key: 'Esc', what: 'Leave a field, close this' },
  ].flatMap(({ key, what }) => [h('dt', null, h('kbd', null, key)), h('dd', null, what)]));
  byId('help-open').addEventListener('click', () => help.showModal());
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && typing(document.activeElement)) {
      document.activeElement.blur();
      return;
    }
    const busy = event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented;
    if (busy || typing(event.target) || document.querySelector('dialog[open]')) return;
    const found = all.find((action) => action.key === event.key);
    if (!found) return;
    event.preventDefault();
    found.act();
  });
}

/** Brings a section into view and the keyboard to it. */
export function visit(id) {
  const section = byId(id);
  if (section.hidden) return;
  section.scrollIntoView({ block: 'start' });
  section.focus({ preventScroll: true });
}
