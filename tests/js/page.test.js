'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { browser, closing } = require('./browser.js');

const WAKES = {
  online: (b) => b.window.fire('online'),
  visibilitychange: (b) => b.document.fire('visibilitychange'),
};
for (const type in WAKES) {
  test(type + ' ends the wait at once', () => {
    const b = browser();
    b.guard('/echo');
    for (let i = 0; i < 3; i++) { b.xhr.fail(); b.clock.tick(b.clock.delays[0]); }
    b.xhr.fail();
    assert.deepEqual(b.clock.delays, [8000]);
    WAKES[type](b);
    assert.deepEqual(b.clock.delays, [0]);
    b.clock.tick(0);
    assert.equal(b.xhrs.length, 5);
  });

  test(type + ' keeps the Retry-After', () => {
    const b = browser();
    b.guard('/echo', { minDelay: 20000 });
    b.xhr.answer(429, '', { 'Retry-After': '7' });
    assert.deepEqual(b.clock.delays, [20000]);
    b.clock.tick(3000);
    WAKES[type](b);
    assert.deepEqual(b.clock.delays, [4000]);
    b.clock.time -= 3600000; // the clock was set back an hour meanwhile
    WAKES[type](b);
    assert.ok(b.clock.delays[0] <= 7000);
  });

  test(type + ' changes nothing in any other state', () => {
    const b = browser(), ws = b.guard('/echo');
    WAKES[type](b); assert.deepEqual([b.xhrs.length, b.clock.alive], [1, 1]);
    b.xhr.grant(); WAKES[type](b); assert.deepEqual([b.sockets.length, b.clock.alive], [1, 1]);
    b.socket.accept(); WAKES[type](b); assert.deepEqual([b.sockets.length, b.clock.alive], [1, 0]);
    ws.close(); WAKES[type](b); b.socket.drop(1005); WAKES[type](b);
    assert.deepEqual([b.xhrs.length, b.clock.alive], [1, 0]);
  });
}

test('a page that becomes hidden hastens nothing', () => {
  const b = browser();
  b.guard('/echo');
  b.xhr.fail();
  b.document.hidden = true;
  b.document.fire('visibilitychange');
  assert.deepEqual(b.clock.delays, [1000]);
  b.window.fire('online'); // but the network coming back counts in a hidden page too
  assert.deepEqual(b.clock.delays, [0]);
});

test('pagehide into the cache closes the socket quietly, pageshow reconnects at once', () => {
  const b = browser(), ws = b.opened('/echo');
  b.clock.tick(1000);
  b.window.fire('pagehide', { persisted: true });
  assert.deepEqual([b.socket.closes, ws.types(), ws.readyState, b.clock.alive], [[[]], ['open'], 0, 0]);
  b.socket.drop(1005);
  ws.send('meanwhile');
  b.window.fire('pageshow', { persisted: true });
  const e = ws.last('reconnecting');
  assert.deepEqual([e.code, e.delay, e.attempt, e.reason], [1001, 0, 1, '']);
  b.clock.tick(0);
  b.xhr.grant('T2'); b.socket.accept();
  assert.deepEqual([b.socket.sent, ws.types()], [['meanwhile'], ['open', 'reconnecting', 'open']]);
});

test('pagehide that is not for the cache changes nothing', () => {
  const b = browser(), ws = b.opened('/echo');
  b.window.fire('pagehide', { persisted: false });
  assert.deepEqual([b.socket.closes, ws.readyState], [[], 1]);
  b.window.fire('pageshow', { persisted: false });
  assert.equal(b.xhrs.length, 1);
});

for (const [phase, prepare] of Object.entries({
  preauth() {}, handshake: (b) => b.xhr.grant(), waiting: (b) => b.xhr.fail(),
})) {
  test('pagehide into the cache during ' + phase + ' stops it, pageshow starts again', () => {
    const b = browser(), ws = b.guard('/echo');
    prepare(b);
    b.window.fire('pagehide', { persisted: true });
    assert.equal(b.clock.alive, 0);
    b.clock.tick(60000);
    b.window.fire('online'); b.document.fire('visibilitychange');
    assert.deepEqual([b.xhrs.length, b.clock.alive], [1, 0]);
    b.window.fire('pageshow', { persisted: true });
    b.clock.tick(0);
    assert.equal(b.xhrs.length, 2);
    b.xhr.grant(); b.socket.accept();
    assert.equal(ws.readyState, 1);
  });
}

test('pageshow keeps the Retry-After', () => {
  const b = browser();
  b.guard('/echo');
  b.xhr.answer(503, '', { 'Retry-After': '30' });
  b.clock.tick(5000);
  b.window.fire('pagehide', { persisted: true });
  b.clock.tick(5000);
  b.window.fire('pageshow', { persisted: true });
  assert.deepEqual(b.clock.delays, [20000]);
});

test('with reconnect: false a page that comes back learns that its socket is gone', () => {
  const b = browser(), ws = b.opened('/echo', { reconnect: false });
  b.window.fire('pagehide', { persisted: true });
  b.window.fire('pageshow', { persisted: true });
  assert.deepEqual(closing(ws), [1001, '', false]);
});

test('pagehide while closing lets it end', () => {
  const b = browser(), ws = b.opened('/echo');
  ws.close();
  b.window.fire('pagehide', { persisted: true });
  b.window.fire('pageshow', { persisted: true });
  b.socket.drop(1000);
  assert.deepEqual([ws.count('close'), b.xhrs.length], [1, 1]);
});

test('a final close takes its listeners off the page', () => {
  const b = browser(), ws = b.guard('/echo');
  assert.deepEqual([b.window.listening.map((l) => l[0]), b.document.listening.map((l) => l[0])], [['online', 'pagehide', 'pageshow'], ['visibilitychange']]);
  ws.close();
  assert.deepEqual([b.window.listening, b.document.listening], [[], []]);
});
