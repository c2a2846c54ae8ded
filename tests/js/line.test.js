'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { browser, closing } = require('./browser.js');

test('one preauth at a time per page, in the order asked', () => {
  const b = browser();
  for (let i = 0; i < 5; i++) { b.guard('/s' + i); }
  for (let i = 0; i < 5; i++) {
    assert.equal(b.xhrs.length, i + 1);
    assert.equal(JSON.parse(b.xhr.body).path, '/s' + i);
    b.xhr.grant('T' + i);
  }
  assert.deepEqual(b.sockets.map((s) => s.url), [0, 1, 2, 3, 4].map((i) => 'wss://example.org/s' + i + '?wsguard_token=T' + i));
});

const ENDS = {
  'fails': (b) => b.xhr.fail(), 'is refused': (b) => b.xhr.answer(403, ''), 'gets a 503': (b) => b.xhr.answer(503, ''),
  'times out': (b) => b.clock.tick(10000), 'is closed': (b, ws) => ws.close(),
  'is frozen': (b) => { b.window.listening.find((l) => l[0] === 'pagehide')[1]({ type: 'pagehide', persisted: true }); },
  'belongs to another user': (b) => b.xhr.grant('T', 'mallory'), 'gets a socket that throws': (b) => { b.refuseSockets = 'x'; b.xhr.grant('T', 'alice'); },
};
for (const name in ENDS) {
  test('a preauth that ' + name + ' lets the next one go', () => {
    const b = browser({ subject: 'alice' }), ws = b.guard('/first'), second = b.guard('/second');
    ENDS[name](b, ws);
    b.clock.tick(0);
    assert.equal(b.xhrs.length, 2);
    assert.equal(JSON.parse(b.xhr.body).path, '/second');
    b.refuseSockets = null;
    b.xhr.grant(); b.socket.accept();
    assert.equal(second.readyState, 1);
  });
}

test('one closed in the middle of the line is passed over', () => {
  const b = browser(), [, middle] = [b.guard('/a'), b.guard('/b'), b.guard('/c')];
  middle.close();
  assert.equal(b.xhrs.length, 1);
  b.xhr.grant();
  assert.equal(JSON.parse(b.xhr.body).path, '/c');
});

// Each once sent every preauth of the line, one after the other, to cut it off at once.
const WHOLE_LINE = {
  'pagehide into the cache'(b) { b.window.fire('pagehide', { persisted: true }); return 0; },
  'close() of all in order'(b, all) { all.forEach((ws) => ws.close()); return 0; },
  'reconnect() of all in order'(b, all) { all.forEach((ws) => ws.reconnect()); return 10; },
};
for (const name in WHOLE_LINE) {
  test(name + ' asks for none that it is about to stop', () => {
    const b = browser(), all = [];
    for (let i = 0; i < 10; i++) { all.push(b.guard('/s' + i)); }
    const left = WHOLE_LINE[name](b, all);
    assert.deepEqual(b.xhrs.map((x) => [x.sent, x.aborted]), [[true, true]]);
    b.clock.tick(0);
    while (b.sockets.length < left) { b.xhr.grant(); }
    assert.deepEqual([b.xhrs.length, b.clock.alive], [1 + left, left]); // the handshakes' own timers
  });
}

test('one made while the next is about to be called does not jump the line', () => {
  const b = browser(), first = b.guard('/first');
  b.guard('/second');
  first.close();
  b.guard('/third');
  b.clock.tick(0);
  assert.deepEqual(b.xhrs.map((x) => JSON.parse(x.body).path), ['/first', '/second']);
  b.xhr.grant();
  assert.equal(JSON.parse(b.xhr.body).path, '/third');
});

test('a line that emptied while the next was about to be called is open to whoever comes', () => {
  const b = browser(), all = [b.guard('/a'), b.guard('/b')];
  all.forEach((ws) => ws.close());
  b.clock.tick(0);
  b.guard('/c');
  assert.equal(JSON.parse(b.xhr.body).path, '/c');
});

test('headers() that throws is reported, retried, and blocks nobody', () => {
  const b = browser(), bug = new Error('no token store');
  const ws = b.guard('/first', { headers() { throw bug; } });
  b.guard('/second');
  assert.deepEqual([ws.types(), b.xhrs.length], [[], 0]);
  b.clock.tick(0);
  assert.deepEqual([b.clock.thrown, ws.last('reconnecting').reason, b.xhrs.length], [[bug], 'network', 1]);
  b.xhr.grant(); b.socket.accept();
  b.clock.tick(1000);
  assert.equal(b.clock.thrown.length, 2);
  assert.equal(ws.retryCount, 2);
});

test('headers() with a name no browser takes is reported and retried', () => {
  const b = browser();
  const ws = b.guard('/x', { get headers() { return { get 'X-A'() { throw new Error('bad header'); } }; } });
  b.clock.tick(0);
  assert.deepEqual([b.clock.thrown.length, ws.last('reconnecting').reason, b.clock.alive], [1, 'network', 1]);
});

test('headers() that closes its own socket sends nothing', () => {
  const b = browser();
  let self = null;
  self = b.guard('/y', { headers() { if (self) { self.close(); } return {}; } });
  b.xhr.fail(); b.clock.tick(1000);
  assert.deepEqual([closing(self)[0], b.xhrs.length, b.clock.alive], [1000, 1, 0]);
});

test('headers() that closes its own socket and throws leaves no timer behind', () => {
  const b = browser();
  let ws = null;
  ws = b.guard('/y', { headers() { if (ws) { ws.close(); throw new Error('too'); } return {}; } });
  b.xhr.fail(); b.clock.tick(1000);
  b.clock.tick(0);
  assert.deepEqual([b.clock.alive, ws.count('close'), ws.readyState], [0, 1, 3]);
});

test('headers() of the next in line that closes the one before it, just granted', () => {
  const b = browser(), first = b.guard('/first');
  const second = b.guard('/second', { headers() { first.close(); return {}; } });
  b.xhr.grant();
  assert.deepEqual([closing(first)[0], b.sockets.length, b.xhrs.length], [1000, 0, 2]);
  b.xhr.grant(); b.socket.accept();
  assert.deepEqual([second.readyState, b.clock.alive], [1, 0]);
});

test('headers() of the next in line that closes the one before it, just reconnecting', () => {
  const b = browser(), first = b.guard('/first');
  b.guard('/second', { headers() { first.close(); return {}; } });
  first.reconnect();
  b.clock.tick(0);
  b.xhr.grant();
  assert.deepEqual([closing(first)[0], b.sockets.length, first.readyState], [1000, 1, 3]);
  assert.equal(b.xhrs.filter((x) => x.sent && JSON.parse(x.body).path === '/first').length, 1);
  b.guard('/third');
  assert.equal(JSON.parse(b.xhr.body).path, '/third');
});
