'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { browser } = require('./browser.js');

test('the constants and the initial face of a WebSocket', () => {
  const b = browser(), ws = b.guard('/echo');
  for (const where of [b.WSGuard, ws]) {
    assert.deepEqual([where.CONNECTING, where.OPEN, where.CLOSING, where.CLOSED], [0, 1, 2, 3]);
  }
  assert.deepEqual([ws.readyState, ws.url, ws.protocol, ws.bufferedAmount, ws.binaryType, ws.retryCount], [0, 'wss://example.org/echo', '', 0, 'blob', 0]);
  assert.deepEqual([ws.onopen, ws.onmessage, ws.onerror, ws.onclose, ws.onreconnecting], [null, null, null, null, null]);
  assert.ok(ws instanceof b.WSGuard);
  assert.throws(() => { ws.readyState = 1; }, TypeError);
});

test('events carry type, target and currentTarget, and what the browser said', () => {
  const b = browser(), ws = b.guard('/echo');
  b.xhr.grant(); b.socket.accept(); b.socket.message('hi'); b.socket.onerror({}); b.socket.drop(1000, 'x');
  assert.deepEqual(ws.types(), ['open', 'message', 'error', 'close']);
  assert.ok(ws.seen.every((e) => e.target === ws && e.currentTarget === ws));
  assert.deepEqual([ws.seen[1].data, ws.seen[1].origin], ['hi', 'wss://example.org']);
});

test('on* and listeners are called with the client as this, on* first', () => {
  const b = browser(), ws = b.guard('/echo'), calls = [];
  ws.addEventListener('open', function () { calls.push(['listener', this === ws]); });
  ws.onopen = function () { calls.push(['on', this === ws]); };
  b.xhr.grant(); b.socket.accept();
  assert.deepEqual(calls, [['on', true], ['listener', true]]);
});

test('a listener may be an object with handleEvent', () => {
  const b = browser(), ws = b.guard('/echo'), it = { handleEvent(e) { this.got = e.type; } };
  ws.addEventListener('open', it);
  b.xhr.grant(); b.socket.accept();
  assert.equal(it.got, 'open');
});

test('a listener added twice is called once, a removed one not at all, null is ignored', () => {
  const b = browser(), ws = b.guard('/echo');
  let n = 0, m = 0;
  const f = () => n++, g = () => m++;
  ws.addEventListener('open', f); ws.addEventListener('open', f); ws.addEventListener('message', f);
  ws.addEventListener('open', g); ws.removeEventListener('message', g); ws.removeEventListener('open', g);
  ws.addEventListener('open', null);
  b.xhr.grant(); b.socket.accept();
  assert.deepEqual([n, m], [1, 0]);
  b.socket.message('x');
  assert.equal(n, 2);
});

test('removal and addition during dispatch: the removed is skipped, the added waits for the next', () => {
  const b = browser(), ws = b.opened('/echo'), calls = [];
  const second = () => calls.push('second'), third = () => calls.push('third'), late = () => calls.push('late');
  ws.addEventListener('message', function first() {
    calls.push('first');
    ws.removeEventListener('message', first);
    ws.removeEventListener('message', second);
    ws.addEventListener('message', late);
  });
  ws.addEventListener('message', second);
  ws.addEventListener('message', third);
  b.socket.message(1);
  assert.deepEqual(calls, ['first', 'third']);
  b.socket.message(2);
  assert.deepEqual(calls, ['first', 'third', 'third', 'late']);
});

test('a type of an unlucky name is only a type', () => {
  const ws = browser().guard('/echo');
  for (const type of ['constructor', '__proto__', 'toString']) { ws.addEventListener(type, () => {}); ws.removeEventListener(type, () => {}); }
});

for (const type of ['open', 'message', 'error', 'reconnecting', 'close']) {
  test('a listener of ' + type + ' that throws is reported, and stops neither the others nor the machine', () => {
    const b = browser(), ws = b.guard('/echo'), bugs = [new Error('on'), new Error('listener')];
    let reached = 0;
    ws['on' + type] = () => { throw bugs[0]; };
    ws.addEventListener(type, () => { throw bugs[1]; });
    ws.addEventListener(type, () => reached++);
    b.xhr.grant(); b.socket.accept(); b.socket.message('x'); b.socket.onerror({}); b.socket.drop(1006);
    b.clock.tick(1000);
    b.xhr.grant(); b.socket.accept(); b.socket.drop(1000);
    b.clock.tick(0);
    assert.ok(reached >= 1);
    assert.deepEqual(b.clock.thrown.slice(0, 2), bugs);
    assert.deepEqual([ws.readyState, ws.count('close'), b.clock.alive], [3, 1, 0]);
  });
}

test('a handler that is no function is reported like one that throws', () => {
  const b = browser(), ws = b.guard('/echo');
  ws.onopen = 'nonsense';
  b.xhr.grant(); b.socket.accept(); b.clock.tick(0);
  assert.deepEqual([b.clock.thrown.length, ws.readyState], [1, 1]);
});

test('binaryType reaches this socket and the next, and nonsense does not', () => {
  const b = browser(), ws = b.guard('/echo');
  ws.binaryType = 'arraybuffer';
  b.xhr.grant(); b.socket.accept();
  assert.equal(b.socket.binaryType, 'arraybuffer');
  ws.binaryType = 'blob'; ws.binaryType = 'nonsense';
  assert.deepEqual([b.socket.binaryType, ws.binaryType], ['blob', 'blob']);
  ws.binaryType = 'arraybuffer';
  b.socket.drop(1006); b.clock.tick(1000); b.xhr.grant();
  assert.equal(b.socket.binaryType, 'arraybuffer');
});

test('debug tells the states and the reasons, never the token nor the query', () => {
  const b = browser(), ws = b.guard('/echo?apikey=HUSH', { debug: true });
  b.xhr.grant('SECRET'); b.socket.accept(); b.socket.drop(1012, 'restart'); b.clock.tick(1000); b.xhr.answer(401, '');
  assert.equal(ws.readyState, 3);
  assert.deepEqual(b.log, ['preauth ', 'handshake ', 'open ', 'waiting restart', 'preauth ', 'closed 4401 login_required'].map((l) => 'WSGuard: /echo ' + l));
});

test('without debug the console stays quiet', () => {
  const b = browser();
  b.opened('/echo');
  assert.deepEqual(b.log, []);
});
