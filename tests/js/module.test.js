'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const { browser, SOURCE } = require('./browser.js');

test('WSGuard.url promises a URL for one use', async () => {
  const b = browser(), url = b.WSGuard.url('/echo?a=1');
  assert.equal(JSON.parse(b.xhr.body).path, '/echo');
  b.xhr.grant('T/1');
  assert.equal(await url, 'wss://example.org/echo?a=1&wsguard_token=T%2F1');
  assert.deepEqual([b.clock.alive, b.sockets.length], [0, 0]);
});

test('WSGuard.url of a public route is the plain URL', async () => {
  const b = browser(), url = b.WSGuard.url('/ticker');
  b.xhr.grant(null, null);
  assert.equal(await url, 'wss://example.org/ticker');
});

for (const [name, answer, code, reason] of [
  ['a refusal', (b) => b.xhr.answer(403, { reason: 'scope_missing' }), 4403, 'scope_missing'],
  ['a login', (b) => b.xhr.answer(401, ''), 4401, 'login_required'],
  ['a failure', (b) => b.xhr.fail(), 1006, 'network'],
  ['a timeout', (b) => b.clock.tick(10000), 1006, 'timeout'],
  ['another user', (b) => b.xhr.grant('T', 'mallory'), 4401, 'user_changed'],
]) {
  test('WSGuard.url rejects with an Error of code and reason: ' + name, async () => {
    const b = browser({ subject: 'alice' }), url = b.WSGuard.url('/echo');
    answer(b);
    await assert.rejects(url, (e) => e instanceof Error && e.code === code && e.reason === reason && e.message === 'WSGuard: ' + reason);
    assert.equal(b.clock.alive, 0);
  });
}

test('WSGuard.url rejects a bad URL, hands over its problem, and takes options', async () => {
  const b = browser();
  await assert.rejects(b.WSGuard.url('/echo#x'), { name: 'SyntaxError' });
  const url = b.WSGuard.url('/echo', { headers: { 'X-A': 'b' } });
  assert.equal(b.xhr.sentHeaders['x-a'], 'b');
  b.xhr.answer(403, { reason: 'scope_missing', required: ['r'] });
  await assert.rejects(url, (e) => e.problem.required[0] === 'r');
});

test('WSGuard.url stands in the same line as the sockets', async () => {
  const b = browser();
  b.guard('/first');
  const url = b.WSGuard.url('/second');
  assert.equal(b.xhrs.length, 1);
  b.xhr.fail();
  b.xhr.grant('T');
  assert.equal(await url, 'wss://example.org/second?wsguard_token=T');
});

test('WSGuard.url without Promise says so', () => {
  const b = browser({ ie: true });
  assert.throws(() => b.WSGuard.url('/echo'), /needs Promise/);
  assert.equal(b.xhrs.length, 0);
});

test('required in node, without a window, it does not throw, and backoff works', () => {
  const WSGuard = require(SOURCE);
  assert.equal(WSGuard.backoff(2, { minDelay: 100 }, () => 1), 400);
  assert.ok(WSGuard.backoff(0) <= 1000);
  assert.equal(typeof WSGuard.url, 'function');
});

test('required in node with things put behind the door, it connects', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  delete require.cache[require.resolve(SOURCE)];
  const WSGuard = require(SOURCE), b = browser();
  const { door } = WSGuard;
  Object.assign(door, { window: b.window, document: b.document, location: b.window.location, WebSocket: b.window.WebSocket, XMLHttpRequest: b.window.XMLHttpRequest });
  const ws = new WSGuard('/echo');
  assert.equal(b.xhr.url, 'https://example.org/wsguard/preauth');
  t.mock.timers.tick(10000);
  assert.equal(b.xhr.aborted, true);
  ws.close();
});

test('AMD loaders get it as a module, browsers as a global', () => {
  let made = null;
  const define = (needs, make) => { assert.deepEqual(needs, []); made = make(); };
  define.amd = {};
  new Function('window', 'module', 'define', fs.readFileSync(SOURCE, 'utf8'))({}, undefined, define);
  assert.equal(typeof made.backoff, 'function');
  assert.equal(typeof browser().WSGuard, 'function');
});

test('nothing in the source logs, stores or evaluates what it should not', () => {
  const source = fs.readFileSync(SOURCE, 'utf8');
  assert.equal(source.match(/console\.log/g).length, 1);
  assert.doesNotMatch(source, /\beval\b|new Function|innerHTML|localStorage|sessionStorage|document\.cookie/);
});
