// SPDX-License-Identifier: MIT
// The status page: reads cgi-bin/metrics, cgi-bin/list and cgi-bin/lookup of the
// server that it came from, and nothing else. Names of processes are hostile: they
// reach the page as text alone (textContent), through show().
'use strict';

const byId = (id) => document.getElementById(id);

// ---- text ---------------------------------------------------------------

const LONGEST = 2000;
// Control characters, and those that turn the direction of text or take no room.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

function show(value) {
  const text = String(value);
  const cut = text.length > LONGEST ? text.slice(0, LONGEST) + `… (${text.length} characters)` : text;
  return cut.replace(UNSEEN, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

function showAge(seconds) {
  if (typeof seconds !== 'number') return '?';
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

// What the server says when it refuses: {"error": …} or a line of text.
async function refusal(response) {
  const text = await response.text();
  try {
    return show(JSON.parse(text).error);
  } catch {
    return show(text.trim() || `status ${response.status}`);
  }
}

// ---- metrics ------------------------------------------------------------

const COUNTERS = [
  ['tcp_active_connections_total', 'opened from here'],
  ['tcp_passive_connections_total', 'accepted'],
  ['tcp_failed_connections_total', 'failed'],
  ['tcp_resets_sent_total', 'resets sent'],
  ['tcp_resets_received_total', 'resets received'],
];
const SPAN = 300; // seconds in the chart
const samples = []; // {at, rates: one of each counter, or null where it is not known}
let last = null;

function parseMetrics(text) {
  const found = [];
  for (const line of text.split('\n')) {
    const m = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!m) continue;
    const labels = {};
    for (const l of (m[2] || '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[l[1]] = l[2].replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    found.push({ name: m[1], labels, value: Number(m[3]) });
  }
  return found;
}

function takeCounters(metrics) {
  const at = performance.now() / 1000;
  const totals = COUNTERS.map(([name]) => {
    const m = metrics.find((m) => m.name === name && !Object.keys(m.labels).length);
    return m ? m.value : null;
  });
  // A counter that went back was made anew: what happened between is not known.
  const rates = totals.map((n, i) =>
    last && n !== null && last.totals[i] !== null && n >= last.totals[i] ? (n - last.totals[i]) / (at - last.at) : null);
  last = { at, totals };
  samples.push({ at, rates });
  while (samples[0].at < at - SPAN - 60) samples.shift();
  drawCounters(totals, rates);
  drawChart();
}

function svg(tag, attributes, text) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function drawCounters(totals, rates) {
  byId('counters').replaceChildren(...COUNTERS.map(([name, words], i) => {
    const row = make('tr');
    const head = make('th');
    head.scope = 'row';
    head.title = name;
    const key = svg('svg', { class: 'key', viewBox: '0 0 32 10', 'aria-hidden': 'true' });
    key.append(svg('path', { class: `series s${i}`, d: 'M0 5H32' }));
    head.append(key, words);
    row.append(head, make('td', 'number', rates[i] === null ? '–' : short.format(rates[i])),
      make('td', 'number', totals[i] === null ? 'missing' : whole.format(totals[i])));
    return row;
  }));
}

// A round number that is not below n: 1, 2 or 5 and zeroes.
function ceiling(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 5, 10].find((f) => f * power >= n) * power;
}

function drawChart() {
  const chart = byId('chart');
  const width = chart.clientWidth, height = chart.clientHeight;
  if (!width || !samples.length) return;
  const left = 40, bottom = height - 20, top = 8;
  const now = samples[samples.length - 1].at;
  const topRate = ceiling(Math.max(1, ...samples.flatMap((s) => s.rates.filter((r) => r !== null))));
  const x = (at) => left + (width - left) * (1 - (now - at) / SPAN);
  const y = (rate) => bottom - (bottom - top) * rate / topRate;
  const parts = [];
  for (const part of [0, 0.5, 1]) {
    const at = y(part * topRate);
    parts.push(svg('path', { class: 'grid', d: `M${left} ${at}H${width}` }),
      svg('text', { x: left - 6, y: at + 4, 'text-anchor': 'end' }, short.format(part * topRate)));
  }
  parts.push(svg('text', { x: left + 6, y: top + 14 }, 'a second'));
  for (const minutes of width < 450 ? [5, 3, 1] : [5, 4, 3, 2, 1])
    parts.push(svg('text', { x: x(now - minutes * 60), y: height - 4, 'text-anchor': minutes === 5 ? 'start' : 'middle' }, `−${minutes} min`));
  parts.push(svg('text', { x: width, y: height - 4, 'text-anchor': 'end' }, 'now'));
  COUNTERS.forEach((_, i) => {
    let path = '', broken = true;
    for (const s of samples) {
      if (s.rates[i] === null || s.at < now - SPAN) {
        broken = true;
        continue;
      }
      path += `${broken ? 'M' : 'L'}${x(s.at).toFixed(1)} ${y(s.rates[i]).toFixed(1)}`;
      broken = false;
    }
    if (path) parts.push(svg('path', { class: `series s${i}`, d: path }));
  });
  chart.setAttribute('viewBox', `0 0 ${width} ${height}`);
  chart.replaceChildren(...parts);
}

function drawFeatures(metrics) {
  const features = metrics.filter((m) => m.name === 'connpin_feature_info' && m.value === 1).map((m) => m.labels);
  const rank = { off: 0, degraded: 1 };
  features.sort((a, b) => (rank[a.state] ?? 2) - (rank[b.state] ?? 2));
  byId('features').replaceChildren(...features.map((f) => {
    const row = make('tr');
    const head = make('th', '', show(f.feature));
    head.scope = 'row';
    row.append(head, make('td', { on: 'good', degraded: 'warn', off: 'bad' }[f.state] || '', show(f.state || 'on')),
      make('td', 'foreign', show(f.hook || '')));
    return row;
  }));
  byId('features-note').textContent = features.length
    ? 'Why something is degraded or off: connpin status.'
    : 'The metrics do not tell. On the host: connpin status.';
  return features;
}

function say(words, className) {
  const state = byId('state');
  // Only a change is read out.
  if (state.textContent !== words) state.textContent = words;
  state.className = className;
}

async function renewMetrics() {
  let response;
  try {
    response = await fetch('cgi-bin/metrics', { cache: 'no-store' });
  } catch {
    last = null;
    return say('The server does not answer.', 'bad');
  }
  if (!response.ok) {
    last = null;
    return say(await refusal(response), 'bad');
  }
  const metrics = parseMetrics(await response.text());
  takeCounters(metrics);
  const weak = drawFeatures(metrics).filter((f) => f.state && f.state !== 'on').length;
  say(weak ? `Attached; ${weak} ${weak === 1 ? 'feature' : 'features'} degraded or off.` : 'Attached.', weak ? 'warn' : 'good');
}

// ---- the connection table -----------------------------------------------

const ROW = 36; // px, as in connpin.css
const MOST = 262144; // entries that are kept
let entries = []; // newest first
let shown = []; // those that the filter lets through
let loading = false;
let nextLoad = 0;

// Read lines as they arrive, and let the page breathe.
async function readEntries(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const found = [];
  let rest = '', unreadable = 0, since = performance.now();
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (done ? decoder.decode() : decoder.decode(value, { stream: true }))).split('\n');
    rest = done ? '' : lines.pop();
    for (const line of lines) {
      if (!line) continue;
      if (found.length >= MOST) {
        reader.cancel();
        return { found, unreadable, more: true };
      }
      try {
        const e = JSON.parse(line);
        found.push({ protocol: e.protocol, dst: e.dst_ip, src: e.src_ip ?? null, sport: e.src_port, dport: e.dst_port, pid: e.pid, comm: e.comm ?? null, status: e.status ?? null, age: e.age_seconds ?? null, state: e.state ?? null, ended: e.ended ?? null });
      } catch {
        unreadable++;
      }
      if (performance.now() - since > 12) {
        await new Promise((resolve) => setTimeout(resolve));
        since = performance.now();
      }
    }
    if (done) return { found, unreadable, more: false };
  }
}

// Without a comparison function, which 65,536 entries would call a million times:
// age and index make one number.
function newestFirst(found) {
  const keys = Float64Array.from(found, (e, i) => (e.age === null ? 1e9 : Math.min(Math.floor(e.age), 1e9)) * MOST + i);
  return Array.from(keys.sort(), (key) => found[key % MOST]);
}

async function renewList(asked) {
  const reading = byId('scroll').scrollTop > 0 || byId('rows').contains(document.activeElement);
  if (loading || (!asked && (reading || performance.now() < nextLoad))) return;
  loading = true;
  const start = performance.now();
  try {
    const response = await fetch(`cgi-bin/list?encoding=gzip&direction=${byId('by-direction').value}`, { cache: 'no-store' });
    if (!response.ok) {
      entries = [];
      filterEntries();
      byId('list-state').textContent = await refusal(response);
      return;
    }
    const { found, unreadable, more } = await readEntries(response);
    entries = newestFirst(found);
    filterEntries((more ? `; only ${whole.format(MOST)} were read` : '') + (unreadable ? `; ${unreadable} lines can't be read` : ''));
  } catch {
    byId('list-state').textContent = 'The server does not answer.';
  } finally {
    loading = false;
    // A large table is renewed less often: one part in twenty of the time at most.
    nextLoad = performance.now() + 20 * (performance.now() - start);
  }
}

function filterEntries(remark) {
  const process = byId('by-process').value.trim().toLowerCase();
  const address = byId('by-address').value.trim().toLowerCase();
  const port = byId('by-port').value.trim();
  shown = entries.filter((e) =>
    (!process || String(e.pid) === process || (e.comm !== null && e.comm.toLowerCase().includes(process))) &&
    (!address || e.dst.includes(address)) &&
    (!port || String(e.dport) === port || String(e.sport) === port));
  const all = entries.length === shown.length;
  byId('list-state').textContent = `${whole.format(shown.length)}${all ? '' : ` of ${whole.format(entries.length)}`} entries` +
    (typeof remark === 'string' ? remark : '') + '; renewed while the list is at its top.';
  byId('list').setAttribute('aria-rowcount', shown.length + 1);
  byId('rows').replaceChildren();
  if (typeof remark !== 'string') byId('scroll').scrollTop = 0;
  drawRows();
}

function makeRow(e, index) {
  const row = make('tr');
  row.setAttribute('aria-rowindex', index + 2);
  const button = make('button', '', 'Look up');
  button.type = 'button';
  button.setAttribute('aria-label', `Look up ${e.protocol} ${e.dst} port ${e.dport} from port ${e.sport}`);
  button.addEventListener('click', () => {
    byId('dst').value = e.dst;
    byId('dport').value = e.dport;
    byId('sport').value = e.sport;
    byId('src').value = e.src ?? '';
    byId('protocol').value = e.protocol;
    lookUp();
  });
  const last = make('td');
  last.append(button);
  const process = make('td');
  if (e.comm !== null) process.append(make('span', 'foreign', show(e.comm)), ' ');
  // A name that is not given: an entry whose identity was overwritten.
  if (e.status !== 'live') process.append(make('span', 'dim', show(e.status ?? 'not recorded')));
  if (e.state === 'closed') process.append(' ', make('span', 'dim', show(e.ended ?? 'closed')));
  row.append(make('td', 'number', showAge(e.age)), process, make('td', 'number', show(e.pid)),
    make('td', '', show(`${e.protocol} ${e.dst.includes(':') ? `[${e.dst}]` : e.dst}:${e.dport}`)), make('td', 'number', show(e.sport)), last);
  return row;
}

function gap(rows) {
  const row = make('tr');
  row.setAttribute('aria-hidden', 'true');
  const cell = make('td', 'gap');
  cell.colSpan = 6;
  cell.style.height = `${rows * ROW}px`;
  row.style.height = `${rows * ROW}px`;
  row.append(cell);
  return row;
}

// Only what is in sight and a little more is in the document. Rows that stay keep
// their elements, and so the focus.
function drawRows() {
  const box = byId('scroll'), body = byId('rows');
  const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 10);
  const end = Math.min(shown.length, first + Math.ceil(box.clientHeight / ROW) + 20);
  const kept = new Map();
  for (const row of body.children) if (row.index !== undefined) kept.set(row.index, row);
  const rows = [];
  for (let i = first; i < end; i++) {
    const row = kept.get(i) || makeRow(shown[i], i);
    row.index = i;
    rows.push(row);
  }
  const focused = document.activeElement;
  const lost = body.contains(focused) && !rows.some((row) => row.contains(focused));
  for (const row of [...body.children]) if (row.index === undefined || row.index < first || row.index >= end) row.remove();
  let before = body.firstElementChild;
  for (const row of rows) {
    if (row === before) before = before.nextElementSibling;
    else body.insertBefore(row, before);
  }
  body.prepend(gap(first));
  body.append(gap(shown.length - end));
  if (lost) box.focus({ preventScroll: true });
}

// ---- sockets that are neither TCP nor UDP -----------------------------------

const SOCKETS = 50; // that are shown

function drawSockets(found) {
  const age = (s) => (s.age_seconds ?? 1e9) + (s.held === false ? 2e9 : 0); // closed ones last
  found.sort((a, b) => age(a) - age(b));
  const open = found.filter((s) => s.held !== false).length;
  byId('sockets-state').textContent = `${whole.format(open)} held, ${whole.format(found.length - open)} closed` +
    (found.length > SOCKETS ? `; the first ${SOCKETS} are shown. All: conn-list --sockets.` : '.');
  byId('socket-rows').replaceChildren(...found.slice(0, SOCKETS).map((s) => {
    const row = make('tr');
    const process = make('td');
    process.append(make('span', 'foreign', show(s.comm)), ' ');
    if (s.status !== 'live') process.append(make('span', 'dim', show(s.status)));
    row.append(make('td', 'number', showAge(s.age_seconds)), make('td', '', show(s.kind)),
      make('td', 'number', show(s.protocol ?? '?')), process, make('td', 'number', show(s.pid)),
      make('td', s.held === false ? 'dim' : '', { true: 'held', false: 'closed' }[s.held] ?? 'not known'));
    return row;
  }));
}

async function renewSockets() {
  try {
    const response = await fetch('cgi-bin/list?sockets=1', { cache: 'no-store' });
    if (response.ok) return drawSockets((await response.text()).split('\n').filter(Boolean).map((line) => JSON.parse(line)));
    byId('sockets-state').textContent = await refusal(response);
  } catch {
    byId('sockets-state').textContent = 'The list can\'t be read.';
  }
  byId('socket-rows').replaceChildren();
}

// ---- the lookup form ----------------------------------------------------

const FIELDS = ['pid', 'status', 'comm', 'exe', 'cmdline', 'direction', 'owner', 'state', 'ended', 'ppid', 'parent_comm', 'uid', 'gid', 'cgroup', 'age_seconds'];
let question = 0;

function drawAnswer(answer) {
  const list = make('dl');
  const names = [...FIELDS.filter((name) => name in answer), ...Object.keys(answer).filter((name) => !FIELDS.includes(name))];
  const unknown = names.filter((name) => answer[name] === null);
  for (const name of names) {
    const value = answer[name];
    if (value !== null)
      list.append(make('dt', '', show(name)), make('dd', 'foreign', show(Array.isArray(value) ? value.join(' ') : value)));
  }
  if (unknown.length) list.append(make('dt', '', 'not known'), make('dd', 'dim', show(unknown.join(', '))));
  byId('answer').replaceChildren(list);
}

async function lookUp() {
  const mine = ++question;
  const query = new URLSearchParams();
  for (const id of ['dst', 'sport', 'dport', 'protocol']) query.set(id, byId(id).value.trim());
  const source = byId('src').value.trim();
  if (source) query.set('src', source);
  const answer = byId('answer');
  try {
    const response = await fetch(`cgi-bin/lookup?${query}`, { cache: 'no-store' });
    if (mine !== question) return;
    if (response.ok) drawAnswer(await response.json());
    else answer.replaceChildren(make('p', 'trouble', await refusal(response)));
  } catch {
    answer.replaceChildren(make('p', 'trouble', 'The server does not answer.'));
  }
  answer.focus();
  answer.scrollIntoView({ block: 'nearest' });
}

// ---- at work ------------------------------------------------------------

let timer = 0;

async function renew() {
  clearTimeout(timer);
  if (!document.hidden) await Promise.all([renewMetrics(), renewList(false), renewSockets()]);
  clearTimeout(timer);
  const seconds = Number(byId('every').value);
  if (seconds) timer = setTimeout(renew, seconds * 1000);
}

let filterTimer = 0, frame = 0;

byId('host').textContent = location.host;
byId('every').addEventListener('change', renew);
byId('lookup').addEventListener('submit', (event) => {
  event.preventDefault();
  lookUp();
});
byId('filter').addEventListener('submit', (event) => event.preventDefault());
byId('filter').addEventListener('input', () => {
  clearTimeout(filterTimer);
  filterTimer = setTimeout(filterEntries, 100);
});
byId('reload').addEventListener('click', () => renewList(true));
byId('by-direction').addEventListener('change', () => renewList(true));
byId('scroll').addEventListener('scroll', () => {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(drawRows);
});
new ResizeObserver(() => {
  drawChart();
  drawRows();
}).observe(document.body);
document.addEventListener('visibilitychange', renew);
renew();
