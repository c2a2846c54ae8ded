'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { browser } = require('./browser.js');

test('send() before open waits and leaves in order, before anything the open listener says', () => {
  const b = browser(), ws = b.guard('/echo');
  ws.onopen = () => ws.send('three');
  ws.send('one');
  b.xhr.grant();
  ws.send('two');
  b.socket.accept();
  assert.deepEqual(b.socket.sent, ['one', 'two', 'three']);
});

test('the queue survives reconnects of the same subject', () => {
  const b = browser(), ws = b.opened('/echo');
  b.socket.drop(1006);
  ws.send('kept');
  b.clock.tick(1000);
  b.xhr.fail();
  b.clock.tick(2000);
  b.xhr.grant(); b.socket.accept();
  assert.deepEqual([b.sockets[0].sent, b.socket.sent, ws.bufferedAmount], [[], ['kept'], 0]);
});

test('the queue throws when it is full, and forgets nothing', () => {
  const b = browser(), ws = b.guard('/echo', { maxQueue: 2 });
  ws.send('a'); ws.send('b');
  assert.throws(() => ws.send('c'), /queue full/);
  assert.equal(ws.bufferedAmount, 2);
  b.xhr.grant(); b.socket.accept();
  assert.deepEqual(b.socket.sent, ['a', 'b']);
});

test('the queue holds a hundred by default', () => {
  const b = browser(), ws = b.guard('/echo');
  for (let i = 0; i < 100; i++) { ws.send('x'); }
  assert.throws(() => ws.send('x'), /queue full/);
});

test('bufferedAmount counts the queue in bytes of UTF-8', () => {
  const b = browser(), ws = b.guard('/echo');
  const sizes = [['', 0], ['abc', 3], ['é', 2], ['€', 3], ['😀', 4], ['\ud800', 3], ['\udc00x', 4], [new ArrayBuffer(5), 5],
    [new Uint8Array(new ArrayBuffer(9), 2, 3), 3], [new DataView(new ArrayBuffer(6)), 6], [new Blob(['1234567']), 7], [12, 2], [0, 1], [null, 4], [undefined, 9]];
  let sum = 0;
  for (const [data, size] of sizes) {
    ws.send(data);
    sum += size;
    assert.equal(ws.bufferedAmount, sum, String(data));
  }
  b.xhr.grant(); b.socket.accept();
  b.socket.bufferedAmount = 11;
  assert.equal(ws.bufferedAmount, 11);
});

test('a queued buffer is what it was when it was sent', () => {
  const b = browser(), ws = b.guard('/echo'), all = new Uint8Array([1, 2, 3, 4]);
  ws.send(all.subarray(1, 3));
  ws.send(all.buffer);
  all.fill(9);
  b.xhr.grant(); b.socket.accept();
  assert.deepEqual(b.socket.sent.map((x) => [...new Uint8Array(x)]), [[2, 3], [1, 2, 3, 4]]);
});

test('a queued value is made text when it was sent, as WebSocket does', () => {
  const b = browser(), ws = b.guard('/echo'), list = [1];
  ws.send(list); ws.send(null);
  list.push(2);
  b.xhr.grant(); b.socket.accept();
  assert.deepEqual(b.socket.sent, ['1', 'null']);
});

test('a queued message the browser refuses is reported and the others leave', () => {
  const b = browser(), ws = b.guard('/echo'), bug = new Error('lone surrogate');
  ws.send('bad'); ws.send('good');
  b.xhr.grant();
  b.socket.failSend = bug;
  b.socket.accept();
  b.clock.tick(0);
  assert.deepEqual([b.socket.sent, b.clock.thrown, ws.readyState, ws.bufferedAmount], [['good'], [bug], 1, 0]);
});

test('send() while open goes straight through and shows what the browser throws', () => {
  const b = browser(), ws = b.opened('/echo');
  ws.send('now');
  b.socket.failSend = new Error('bad');
  assert.throws(() => ws.send('x'), /bad/);
  assert.deepEqual(b.socket.sent, ['now']);
});

test('send() while closing or closed is thrown away and only bufferedAmount grows, as with WebSocket', () => {
  const b = browser(), ws = b.opened('/echo');
  b.socket.bufferedAmount = 5;
  ws.close();
  ws.send('abc');
  assert.equal(ws.bufferedAmount, 8);
  b.socket.drop(1000);
  ws.send('de');
  for (let i = 0; i < 200; i++) { ws.send(''); }
  assert.deepEqual([ws.bufferedAmount, b.socket.sent], [10, []]);
});

test('a final close drops the queue; reconnect() starts with an empty one', () => {
  const b = browser(), ws = b.guard('/echo');
  ws.send('lost');
  b.xhr.answer(401, '');
  assert.equal(ws.bufferedAmount, 4);
  ws.reconnect();
  assert.equal(ws.bufferedAmount, 0);
  b.xhr.grant(); b.socket.accept();
  assert.deepEqual(b.socket.sent, []);
});
