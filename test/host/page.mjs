// SPDX-License-Identifier: MIT
// Looks at the status page with a real Chromium, for page.bats:
//   node page.mjs CHECK URL [WORD...]
// Exit 0 when the page is as it should be. NODE_TOOLS has the npm packages, SCREENS
// is where pictures go.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';

const require = createRequire(`${process.env.NODE_TOOLS}/`);
const { chromium } = require('playwright-core');
const [check, url, ...words] = process.argv.slice(2);
const trouble = []; // what the page should never do

async function open(options = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on('request', (r) => r.url().startsWith(url) || r.url().startsWith('data:') || trouble.push(`request to ${r.url()}`));
  page.on('console', (m) => m.type() === 'error' && !words.includes('errors') && trouble.push(`console: ${m.text()}`));
  page.on('pageerror', (e) => trouble.push(`exception: ${e}`));
  page.on('dialog', (d) => { trouble.push(`dialog: ${d.message()}`); d.dismiss(); });
  await page.addInitScript(() => {
    globalThis.longest = 0;
    new PerformanceObserver((list) => {
      for (const e of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, e.duration);
    }).observe({ type: 'longtask', buffered: true });
    document.addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective}`));
  });
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById('state').textContent !== 'Asking …');
  return page;
}

const text = (page, selector) => page.locator(selector).innerText();
const listed = (page, pattern) =>
  page.waitForFunction((p) => new RegExp(p).test(document.getElementById('list-state').textContent), pattern)
    .catch(async () => assert.fail(`the list says: ${await text(page, '#list-state')}, not ${pattern}`));
const picture = (page, name) => page.screenshot({ path: `${process.env.SCREENS}/${name}.png` });

// The fields of the answer: the text of each by its name.
const answered = (page) => page.evaluate(() =>
  Object.fromEntries([...document.querySelectorAll('#answer dt')].map((dt) => [dt.textContent, dt.nextElementSibling.textContent])));

// The counter's number in the table, by its metric's name.
const counter = (page, name) =>
  page.locator(`#counters th[title="${name}"] ~ td`).last().innerText().then((t) => Number(t.replace(/,/g, '')));

const checks = {
  // counters URL: prints what the page shows of each, after it was renewed.
  async counters(page) {
    await page.selectOption('#every', '1');
    await page.waitForFunction(() => document.querySelectorAll('#chart .series').length > 0);
    for (const name of words) console.log(name, await counter(page, name));
    assert.match(await text(page, '#state'), /^Attached/);
  },

  // refused URL TEXT: what is said when nothing is attached.
  async refused(page) {
    assert.match(await text(page, '#state'), new RegExp(words[0]));
    await listed(page, words[0]);
  },

  // table URL ENTRIES PORT: all of them at hand, few of them in the document, and
  // the page never out of reach for long.
  async table(page) {
    const [entries, port] = [Number(words[0]), words[1]];
    await listed(page, '^[0-9,]+ entries');
    const count = Number((await text(page, '#list-state')).replace(/,/g, '').split(' ')[0]);
    assert.ok(count >= entries, `${count} of ${entries} entries`);
    assert.equal(Number(await page.getAttribute('#list', 'aria-rowcount')), count + 1);
    const inDocument = () => page.locator('#rows tr').count();
    assert.ok(await inDocument() < 100, `${await inDocument()} rows in the document`);
    const loaded = await page.evaluate(() => globalThis.longest);
    await page.evaluate(() => { globalThis.longest = 0; });
    // To the end by keyboard, and back.
    await page.focus('#scroll');
    await page.keyboard.press('End');
    await page.waitForFunction((n) => document.querySelector(`#rows tr[aria-rowindex="${n}"]`), count + 1);
    assert.ok(await inDocument() < 100);
    await page.keyboard.press('Home');
    await page.waitForFunction(() => document.querySelector('#rows tr[aria-rowindex="2"]'));
    await page.keyboard.press('PageDown');
    await page.waitForFunction(() => document.getElementById('scroll').scrollTop > 100);
    await page.fill('#by-port', port);
    await listed(page, '^1 of ');
    await page.fill('#by-port', '');
    await page.fill('#by-address', '.255.0.0'); // 256 of those, less what the LRU let go
    await listed(page, '^2[0-9][0-9] of ');
    const used = await page.evaluate(() => globalThis.longest);
    console.log(`longest task: ${Math.round(loaded)} ms while loading, ${Math.round(used)} ms in use`);
    // Under 100 ms on a quiet machine: a second would be felt as frozen on any.
    assert.ok(Math.max(loaded, used) < 500, `the page stood still for ${Math.max(loaded, used)} ms`);
  },

  // lookup URL DST DPORT SPORT PID STATUS EXE: by keyboard alone. The answer has what the list
  // leaves out, as the executable.
  async lookup(page) {
    const [dst, dport, sport, pid, status, exe] = words;
    await page.focus('#dst');
    await page.keyboard.type(dst);
    for (const value of [dport, sport]) {
      await page.keyboard.press('Tab');
      await page.keyboard.type(value);
    }
    await page.keyboard.press('Enter');
    await page.waitForSelector('#answer dl');
    assert.match(await text(page, '#answer dl'), new RegExp(`^pid\\s+${pid}\\b`));
    assert.equal(await page.evaluate(() => document.activeElement.id), 'answer');
    // From another address of this host, and from its own.
    await page.fill('#src', '127.0.0.2');
    await page.press('#src', 'Enter');
    await page.waitForFunction(() => document.querySelector('#answer .trouble')?.textContent === 'not found');
    await page.fill('#src', ' 127.0.0.1 ');
    await page.press('#src', 'Enter');
    await page.waitForSelector('#answer dl');
    assert.match(await text(page, '#answer dl'), new RegExp(`^pid\\s+${pid}\\b`));
    // One that is not there, and one that is refused.
    await page.fill('#sport', '1');
    await page.press('#sport', 'Enter');
    await page.waitForFunction(() => document.querySelector('#answer .trouble')?.textContent === 'not found');
    await page.fill('#dst', '<b>');
    await page.press('#dst', 'Enter');
    await page.waitForFunction(() => /parameter dst/.test(document.querySelector('#answer .trouble')?.textContent));
    // By the button of its row.
    await page.fill('#by-process', pid);
    await page.fill('#by-port', sport);
    await listed(page, '^1 ');
    await page.fill('#src', '');
    await page.focus('#rows button');
    await page.evaluate(() => document.getElementById('answer').replaceChildren());
    await page.keyboard.press('Enter');
    await page.waitForSelector('#answer dl');
    const answer = await answered(page);
    assert.deepEqual([answer.pid, answer.status, answer.exe], [pid, status, exe]);
    assert.match(answer['not known'], /\bexe_changed\b/);
    assert.equal(await page.inputValue('#src'), '127.0.0.1');
    trouble.splice(0); // the 404 and the 400 that were asked for are logged by Chromium
  },

  // hostile URL DST PORT PID: names and arguments that are markup and worse. FILE has
  // what is to be seen of each process: "PID SHOWN", a line each.
  async hostile(page) {
    const [port, file] = words;
    const seen = Object.fromEntries(readFileSync(file, 'utf8').trim().split('\n').map((l) => [l.split(' ')[0], l.slice(l.indexOf(' ') + 1)]));
    const before = await page.evaluate(() => document.querySelectorAll('*').length);
    await page.fill('#by-port', port);
    await listed(page, `^${Object.keys(seen).length} of `);
    const rows = await page.locator('#rows tr[aria-rowindex]').evaluateAll((rows) =>
      rows.map((row) => [row.children[2].textContent, row.querySelector('.foreign').textContent]));
    assert.deepEqual(Object.fromEntries(rows), seen);
    for (let i = 0; i < rows.length; i++) {
      await page.evaluate(() => document.getElementById('answer').replaceChildren());
      await page.locator('#rows button').nth(i).click();
      await page.waitForSelector('#answer dl');
      const { cmdline } = await answered(page);
      assert.match(cmdline, /<script>alert\(1\)<\/script>/);
      assert.match(cmdline, /\\u001b\[31m/);
      assert.ok(cmdline.length < 10000, `${cmdline.length} characters are shown`);
      // Nothing of it became an element, or moves what is around it.
      assert.equal(await page.locator('img, iframe, #rows b, #answer b, script:not([src="connpin.js"])').count(), 0);
      const text = await page.evaluate(() => document.body.textContent);
      assert.ok(!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(text));
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    }
    await picture(page, 'hostile');
    assert.ok(before > 50);
  },

  // sockets URL PID: its packet socket is in the table of sockets that are neither TCP nor UDP.
  async sockets(page) {
    await page.waitForFunction((pid) => [...document.querySelectorAll('#socket-rows tr')].some((row) =>
      row.children[4].textContent === pid), words[0]);
    const row = await page.evaluate((pid) => [...document.querySelectorAll('#socket-rows tr')].find((row) =>
      row.children[4].textContent === pid).innerText.split(/\s+/).slice(-6), words[0]);
    assert.deepEqual(row, ['s', 'packet', '2054', 'traffic', words[0], 'held']);
    assert.match(await text(page, '#sockets-state'), /^[0-9,]+ held, [0-9,]+ closed/);
  },

  // shot URL PID: the picture etc/page.png, with the connection of that process looked up. No
  // test takes it; it takes a minute of traffic.
  async shot(page) {
    await page.selectOption('#every', '1');
    await page.waitForFunction(() => document.querySelector('#chart .series')?.getAttribute('d').length > 600, null, { timeout: 80000 });
    await page.fill('#by-process', words[0]);
    await listed(page, '^1 of ');
    await page.focus('#rows button');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#answer dl');
    await page.fill('#by-process', 'traffic');
    await listed(page, '^[0-9,]+ of ');
    await page.setViewportSize({ width: 1100, height: 640 });
    await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
    // The viewport is so low that the list shows some ten lines.
    await page.screenshot({ path: `${process.env.SCREENS}/shot.png`, fullPage: true });
  },

  // axe URL: nothing that the checker objects to, light, dark and on a phone.
  async axe(page) {
    const source = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
    await listed(page, 'entries');
    await page.selectOption('#every', '1');
    await page.locator('#rows button').first().click();
    await page.waitForSelector('#answer *');
    await page.evaluate(`${source}; undefined`);
    for (const [name, scheme, width] of [['light', 'light', 1200], ['dark', 'dark', 1200], ['phone', 'light', 390], ['phone-dark', 'dark', 390]]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await page.emulateMedia({ colorScheme: scheme });
      await page.waitForTimeout(1500);
      const result = await page.evaluate(() => globalThis.axe.run());
      assert.deepEqual(result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), [], name);
      assert.ok(result.passes.length > 20);
      // Nothing sticks out to the side.
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name}: wider than the screen`);
      await picture(page, name);
      await page.evaluate(() => document.getElementById('connections').scrollIntoView());
      await picture(page, `${name}-list`);
      await page.evaluate(() => scrollTo(0, 0));
    }
  },
};

const page = await open();
await checks[check](page);
assert.deepEqual(trouble, []);
await page.context().browser().close();
