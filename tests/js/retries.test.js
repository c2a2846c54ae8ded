'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { browser, closing } = require('./browser.js');

test('backoff doubles from minDelay up to maxDelay, with full jitter', () => {
  const { WSGuard } = browser();
  const most = () => 1, none = () => 0, half = () => 0.5;
  assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map((n) => WSGuard.backoff(n, {}, most)), [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  assert.deepEqual([WSGuard.backoff(3, {}, none), WSGuard.backoff(3, {}, half)], [0, 4000]);
  assert.deepEqual([0, 1, 2].map((n) => WSGuard.backoff(n, { minDelay: 10, factor: 3, maxDelay: 50 }, most)), [10, 30, 50]);
});

test('backoff of very many tries stays a delay that a timer can hold', () => {
  const { WSGuard } = browser();
  assert.equal(WSGuard.backoff(5000, {}, () => 1), 30000);
  assert.equal(WSGuard.backoff(5000, { maxDelay: Infinity }, () => 1), 0x7fffffff);
});

test('backoff throws its own dice when given none', () => {
  const b = browser();
  b.chance = 0.25;
  assert.equal(b.WSGuard.backoff(0), 250);
});

test('reconnect: false makes any drop final', () => {
  const b = browser(), ws = b.opened('/echo', { reconnect: false });
  b.socket.drop(1006);
  assert.deepEqual([closing(ws), b.clock.alive], [[1006, 'network', false], 0]);
});

test('reconnect: false makes a failed preauth and a refused handshake final', () => {
  let b = browser(), ws = b.guard('/echo', { reconnect: false });
  b.xhr.answer(503, '');
  assert.deepEqual(closing(ws), [1006, 'server_error', false]);
  b = browser(); ws = b.guard('/echo', { reconnect: false });
  b.xhr.grant(); b.socket.refuse();
  assert.deepEqual([closing(ws), ws.types()], [[1006, 'handshake_failed', false], ['error', 'close']]);
});

test('maxRetries ends with the last code and reason', () => {
  const b = browser(), ws = b.guard('/echo', { maxRetries: 2 });
  b.xhr.fail(); b.clock.tick(1000);
  b.xhr.fail(); b.clock.tick(2000);
  b.xhr.answer(503, '');
  assert.deepEqual(ws.types(), ['reconnecting', 'reconnecting', 'close']);
  assert.deepEqual([closing(ws), b.clock.alive], [[1006, 'server_error', false], 0]);
});

test('the immediate preauth after a refused handshake counts as a try', () => {
  const b = browser(), ws = b.guard('/echo', { maxRetries: 0 });
  b.xhr.grant(); b.socket.refuse();
  assert.equal(ws.readyState, 3);
});

test('the counter is reset by minUptime only', () => {
  const b = browser(), ws = b.opened('/echo', { minUptime: 3000 });
  b.clock.tick(2999);
  b.socket.drop(1011);
  b.clock.tick(1000);
  b.xhr.grant(); b.socket.accept();
  assert.equal(ws.retryCount, 1);
  b.clock.tick(2999);
  b.socket.drop(1011);
  assert.deepEqual([ws.last('reconnecting').attempt, ws.last('reconnecting').delay], [2, 2000]);
  b.clock.tick(2000);
  b.xhr.grant(); b.socket.accept();
  b.clock.tick(3000);
  assert.equal(ws.retryCount, 0);
  b.socket.drop(1011);
  assert.deepEqual([ws.last('reconnecting').attempt, ws.last('reconnecting').delay], [1, 1000]);
});

test('shouldReconnect may veto, knowing attempt, delay, code and reason', () => {
  const asked = [], b = browser();
  const ws = b.opened('/echo', { shouldReconnect: (info) => { asked.push(info); return false; } });
  b.socket.drop(1012, 'restart');
  assert.deepEqual(asked, [{ attempt: 1, delay: 1000, reason: 'restart', code: 1012 }]);
  assert.deepEqual([ws.types(), closing(ws), b.clock.alive], [['open', 'close'], [1012, 'restart', true], 0]);
});

test('shouldReconnect that returns nothing vetoes nothing', () => {
  const b = browser(), ws = b.opened('/echo', { shouldReconnect() {} });
  b.socket.drop(1012);
  assert.equal(ws.last('reconnecting').attempt, 1);
});

test('shouldReconnect that throws counts as true and its error is seen', () => {
  const bug = new Error('bug'), b = browser(), ws = b.opened('/echo', { shouldReconnect() { throw bug; } });
  b.socket.drop(1012);
  assert.equal(ws.count('reconnecting'), 1);
  b.clock.tick(1000);
  assert.deepEqual([b.clock.thrown, b.xhrs.length], [[bug], 2]);
});

test('shouldReconnect that closes the socket itself', () => {
  const b = browser(), ws = b.opened('/echo', { shouldReconnect() { ws.close(4000, 'enough'); } });
  b.socket.drop(1012);
  assert.deepEqual([ws.types(), closing(ws), b.clock.alive], [['open', 'close'], [4000, 'enough', true], 0]);
});

test('shouldReconnect that reconnects itself', () => {
  const b = browser(), ws = b.opened('/echo', { shouldReconnect() { ws.reconnect(); } });
  b.socket.drop(1012);
  assert.deepEqual([b.xhrs.length, b.clock.alive, ws.types()], [2, 1, ['open']]);
});
