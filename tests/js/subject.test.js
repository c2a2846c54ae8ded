'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { browser, closing } = require('./browser.js');

const CHANGED = [4401, 'user_changed', false];

test('another subject than last time is final, and the queue never leaves as the other user', () => {
  const b = browser(), ws = b.opened('/echo');
  b.socket.drop(1006);
  ws.send('as alice');
  b.clock.tick(1000);
  b.xhr.grant('T', 'mallory');
  assert.deepEqual([closing(ws), b.sockets.length, b.clock.alive], [CHANGED, 1, 0]);
  ws.reconnect();
  b.xhr.grant('T', 'alice'); b.socket.accept();
  assert.deepEqual(b.socket.sent, []);
});

test('the subject counts from the preauth on, even where the handshake failed', () => {
  const b = browser(), ws = b.guard('/echo');
  b.xhr.grant(); b.socket.refuse(); b.clock.tick(0);
  b.xhr.grant('T', 'mallory');
  assert.deepEqual(closing(ws), CHANGED);
});

test('the user the page was rendered for is compared at the first connect', () => {
  const b = browser({ subject: 'alice' }), ws = b.guard('/echo');
  b.xhr.grant('T', 'mallory');
  assert.deepEqual([closing(ws), b.sockets.length], [CHANGED, 0]);
});

test('the user the page was rendered for connects', () => {
  const b = browser({ subject: 'alice' }), ws = b.opened('/echo');
  assert.equal(ws.readyState, 1);
});

test('after user_changed, reconnect() and a new socket are refused as long as the page is that of the first user', () => {
  const b = browser({ subject: 'alice' }), ws = b.guard('/echo');
  b.xhr.grant('T', 'mallory');
  ws.reconnect();
  b.xhr.grant('T', 'mallory');
  assert.equal(ws.count('close'), 2);
  const second = b.guard('/echo');
  b.xhr.grant('T', 'mallory');
  assert.deepEqual(closing(second), CHANGED);
  ws.reconnect();
  b.xhr.grant('T', 'alice');
  assert.equal(b.sockets.length, 1);
});

test('without data-subject the socket still remembers its own first user across reconnect()', () => {
  const b = browser(), ws = b.opened('/echo');
  ws.close(); b.socket.drop(1005);
  ws.reconnect();
  b.xhr.grant('T', 'mallory');
  assert.deepEqual(closing(ws), CHANGED);
});

test('an empty data-subject, a page for nobody, is not compared', () => {
  const b = browser({ subject: '' }), ws = b.opened('/echo');
  assert.equal(ws.readyState, 1);
});

test('a null subject is never compared and forgets nothing', () => {
  const b = browser({ subject: 'alice' }), ws = b.guard('/echo');
  b.xhr.grant(null, null); b.socket.accept();
  assert.deepEqual([ws.readyState, b.socket.url], [1, 'wss://example.org/echo']);
  b.socket.drop(1006); b.clock.tick(1000);
  b.xhr.grant('T', 'mallory');
  assert.deepEqual(closing(ws), CHANGED);
});

test('a null subject between two users does not hide the change', () => {
  const b = browser(), ws = b.opened('/echo');
  for (const subject of [null, 'mallory']) {
    b.socket.drop(1006); b.clock.tick(b.clock.delays[0]);
    b.xhr.grant('T', subject); if (subject === null) { b.socket.accept(); }
  }
  assert.deepEqual(closing(ws), CHANGED);
});

test('the page\'s subject says nothing about another host, whose hash is another', () => {
  const b = browser({ subject: 'alice' }), ws = b.guard('wss://ws.example.org/echo');
  b.xhr.grant('T', 'alice-over-there');
  assert.equal(b.sockets.length, 1);
  b.socket.refuse(); b.clock.tick(0);
  b.xhr.grant('T', 'mallory');
  assert.deepEqual(closing(ws), CHANGED);
});

test('a second socket is compared with whom the first learned, and its queue never leaves as another', () => {
  const b = browser({ scripts: [] });
  b.opened('/a');
  const second = b.guard('/b');
  second.send('as alice');
  b.xhr.grant('T', 'mallory');
  assert.deepEqual([closing(second), b.sockets.length, b.clock.alive], [CHANGED, 1, 0]);
  const third = b.guard('/c');
  b.xhr.grant('T', 'alice'); b.socket.accept();
  assert.equal(third.readyState, 1);
});

test('a socket that outlived a login as somebody else is compared with what its neighbour learned', () => {
  const b = browser(), first = b.guard('/a'), second = b.guard('/b');
  b.xhr.answer(401, ''); // nobody yet: that names no user
  first.reconnect();
  b.xhr.grant(); b.socket.accept();
  b.xhr.grant('T', 'mallory');
  assert.deepEqual([second.readyState, closing(first)], [1, CHANGED]);
});

test('each preauth address has users of its own', () => {
  const b = browser();
  b.opened('/a');
  const other = b.guard('/b', { preauth: '/other/preauth' });
  b.xhr.grant('T', 'alice-over-there'); b.socket.accept();
  assert.equal(other.readyState, 1);
});

test('WSGuard.url stands under the same comparison, and what it learned counts for sockets', async () => {
  const b = browser(), url = b.WSGuard.url('/a');
  b.xhr.grant();
  await url;
  const ws = b.guard('/b');
  b.xhr.grant('T', 'mallory');
  assert.deepEqual(closing(ws), CHANGED);
  const refused = b.WSGuard.url('/a');
  b.xhr.grant('T', 'mallory');
  await assert.rejects(refused, { code: 4401, reason: 'user_changed' });
});
