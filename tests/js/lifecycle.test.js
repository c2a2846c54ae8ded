'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { browser, closing } = require('./browser.js');

// Each way to bring a socket into a phase.
const PHASES = {
  'before its turn for preauth'(b) { b.guard('/other'); return b.guard('/echo'); },
  'while preauth runs'(b) { return b.guard('/echo'); },
  'during the handshake'(b) { const ws = b.guard('/echo'); b.xhr.grant(); return ws; },
  'while waiting to reconnect'(b) { const ws = b.guard('/echo'); b.xhr.fail(); return ws; },
  'inside the back/forward cache'(b) { const ws = b.opened('/echo'); b.window.fire('pagehide', { persisted: true }); return ws; },
};
for (const phase in PHASES) {
  test('close() ' + phase + ' is final at once', () => {
    const b = browser(), ws = PHASES[phase](b);
    const running = b.xhrs.length;
    ws.close(4001, 'bye');
    assert.deepEqual([closing(ws), ws.readyState], [[4001, 'bye', true], 3]);
    assert.ok(b.clock.alive <= 1); // the other socket's preauth, in the first phase
    b.clock.tick(9000);
    b.window.fire('online');
    b.window.fire('pageshow', { persisted: true });
    assert.deepEqual([ws.count('close'), b.xhrs.length], [1, running]);
  });
  test('close() ' + phase + ' without a code says 1000', () => {
    const b = browser(), ws = PHASES[phase](b);
    ws.close();
    ws.close();
    assert.deepEqual([closing(ws), ws.count('close')], [[1000, '', true], 1]);
  });
  test('reconnect() ' + phase + ' starts afresh with nothing left over', () => {
    const b = browser(), ws = PHASES[phase](b), other = b.xhrs.length > 1 || phase.startsWith('before') ? 1 : 0;
    ws.reconnect();
    if (phase.startsWith('before')) { b.xhrs[0].grant(); b.sockets[0].accept(); }
    assert.ok(b.clock.alive === 1, 'one timer, that of the preauth');
    assert.deepEqual([ws.readyState, ws.retryCount], [0, 0]);
    b.xhr.grant('NEW'); b.socket.accept();
    assert.deepEqual([ws.readyState, ws.count('close'), b.clock.alive, other >= 0], [1, 0, 0, true]);
  });
}

test('close() while open waits for the other side, as WebSocket does', () => {
  const b = browser(), ws = b.opened('/echo');
  ws.close(4002, 'done');
  assert.deepEqual([b.socket.closes, ws.readyState, ws.types()], [[[4002, 'done']], 2, ['open']]);
  b.socket.message('last words');
  b.socket.drop(4002, 'done', true);
  assert.deepEqual([ws.types(), closing(ws), b.clock.alive], [['open', 'message', 'close'], [4002, 'done', true], 0]);
});

test('close() while open is final whatever code comes back', () => {
  const b = browser(), ws = b.opened('/echo');
  ws.close();
  assert.deepEqual(b.socket.closes, [[]]);
  b.socket.drop(1006);
  assert.deepEqual([closing(ws), b.clock.alive, ws.count('reconnecting')], [[1006, '', false], 0, 0]);
});

test('close() while closing does nothing more', () => {
  const b = browser(), ws = b.opened('/echo');
  ws.close();
  ws.close(4000);
  assert.equal(b.socket.closes.length, 1);
});

test('close() during the handshake never closes a CONNECTING socket: it waits for it to open', () => {
  const b = browser(), ws = b.guard('/echo');
  b.xhr.grant();
  ws.close();
  assert.deepEqual(b.socket.closes, []);
  b.socket.accept();
  assert.deepEqual([b.socket.closes.length, ws.types()], [1, ['close']]);
});

test('close() during the handshake: what the let-go socket does later is nobody\'s business', () => {
  const b = browser(), ws = b.guard('/echo');
  b.xhr.grant();
  ws.close();
  b.socket.refuse();
  assert.deepEqual(ws.types(), ['close']);
});

test('close() in the reconnecting, message, error and open listeners', () => {
  for (const [type, act] of [['reconnecting', (b) => b.socket.drop(1006)], ['message', (b) => b.socket.message('x')], ['error', (b) => b.socket.onerror({})]]) {
    const b = browser(), ws = b.opened('/echo');
    ws.addEventListener(type, () => ws.close());
    act(b);
    if (type !== 'reconnecting') { b.socket.drop(1005); }
    assert.deepEqual([ws.count('close'), ws.readyState, b.clock.alive], [1, 3, 0], type);
  }
  const b = browser(), ws = b.guard('/echo');
  ws.onopen = () => ws.close();
  b.xhr.grant(); b.socket.accept();
  assert.equal(ws.readyState, 2);
});

test('nothing comes after close, not even to those who had still to hear of the reconnect', () => {
  const b = browser(), ws = b.opened('/echo'), heard = [];
  ws.onreconnecting = () => ws.close();
  for (const type of ['reconnecting', 'close']) { ws.addEventListener(type, () => heard.push(type)); }
  b.socket.drop(1006);
  assert.deepEqual(heard, ['close']);
});

test('close() checks its code and reason like WebSocket', () => {
  const b = browser(), ws = b.guard('/echo');
  for (const code of [0, 999, 1001, 1005, 1006, 2999, 5000, null, NaN, 'x']) {
    assert.throws(() => ws.close(code), RangeError, String(code));
  }
  assert.throws(() => ws.close(1000, 'é'.repeat(62)), { name: 'SyntaxError' });
  assert.deepEqual([ws.readyState, ws.types()], [0, []]);
  ws.close(1000, 'é'.repeat(61));
  assert.equal(ws.last('close').reason.length, 61);
});

test('reconnect() after a final close starts afresh, and after 20 closes too', () => {
  const b = browser(), ws = b.guard('/echo');
  for (let i = 1; i <= 20; i++) {
    b.xhr.answer(401, '');
    assert.deepEqual([ws.count('close'), ws.readyState, b.clock.alive], [i, 3, 0]);
    ws.reconnect();
    assert.equal(ws.readyState, 0);
  }
  b.xhr.grant(); b.socket.accept();
  assert.deepEqual([ws.readyState, ws.count('open'), b.xhrs.length], [1, 1, 21]);
});

test('reconnect() while open drops the socket and connects through a new preauth, without a close event', () => {
  const b = browser(), ws = b.opened('/echo');
  const first = b.socket;
  ws.reconnect();
  assert.deepEqual([first.closes.length, ws.readyState, b.xhrs.length], [1, 0, 2]);
  first.drop(1000);
  b.xhr.grant('SECOND'); b.socket.accept();
  assert.deepEqual([ws.types(), ws.readyState], [['open', 'open'], 1]);
});

test('reconnect() while closing takes the close back', () => {
  const b = browser(), ws = b.opened('/echo');
  ws.close();
  const first = b.socket;
  ws.reconnect();
  first.drop(1000);
  b.xhr.grant(); b.socket.accept();
  assert.deepEqual([ws.types(), ws.readyState], [['open', 'open'], 1]);
});

test('reconnect() restores tries and the one immediate preauth', () => {
  const b = browser(), ws = b.guard('/echo', { maxRetries: 1 });
  b.xhr.grant(); b.socket.refuse(); b.clock.tick(0);
  b.xhr.grant(); b.socket.refuse();
  assert.equal(ws.count('close'), 1);
  ws.reconnect();
  b.xhr.grant(); b.socket.refuse();
  assert.deepEqual([ws.last('reconnecting').delay, ws.last('reconnecting').attempt], [0, 1]);
});

for (const [phase, prepare] of Object.entries({ ...PHASES, 'while open': (b) => b.opened('/echo') })) {
  test('twenty close/reconnect churns ' + phase + ': never two timers, listeners or sockets alive', () => {
    const b = browser(), ws = prepare(b);
    const others = phase.startsWith('before') ? 1 : 0;
    const watched = b.window.listening.length;
    for (let i = 0; i < 20; i++) {
      ws.close();
      assert.ok(b.clock.alive <= others);
      ws.reconnect();
      assert.ok(b.clock.alive <= 1);
      if (!others && i % 2) { b.xhr.grant(); assert.ok(b.clock.alive <= 1); }
      if (!others && i % 4 === 1) { b.socket.accept(); }
    }
    assert.equal(b.window.listening.length, watched);
    ws.close();
    b.sockets.forEach((s) => { if (s.readyState === 0) { s.accept(); } if (s.readyState === 2) { s.drop(1005); } });
    assert.ok(b.sockets.every((s) => s.readyState > 1));
    assert.equal(ws.readyState, 3);
    if (!others) { assert.deepEqual([b.clock.alive, b.window.listening.length, b.document.listening.length], [0, 0, 0]); }
  });
}

test('a random walk of three thousand steps never has two timers alive, and close() still ends it', () => {
  const b = browser(), ws = b.guard('/echo');
  let dice = 7;
  const roll = (n) => { dice = (dice * 1103515245 + 12345) % 2147483648; return Math.floor(dice / 65536) % n; };
  const steps = [
    () => ws.close(), () => { if (ws.readyState > 1) { ws.reconnect(); } }, () => b.clock.tick(500 * roll(30)),
    () => b.window.fire('online'), () => b.document.fire('visibilitychange'),
    () => b.window.fire('pagehide', { persisted: true }), () => b.window.fire('pageshow', { persisted: true }),
    () => { if (!b.xhr.aborted && b.xhr.readyState === 1) { [() => b.xhr.grant(), () => b.xhr.grant(), () => b.xhr.fail(), () => b.xhr.answer(429, '')][roll(4)](); } },
    () => { if (b.socket && b.socket.readyState === 0) { [() => b.socket.accept(), () => b.socket.refuse()][roll(2)](); } },
    () => { if (b.socket && b.socket.readyState === 1) { b.socket.drop([1006, 1000, 4401][roll(3)]); } },
    () => { if (b.socket && b.socket.readyState === 2) { b.socket.drop(1005); } },
  ];
  const visited = new Set();
  for (let i = 0; i < 3000; i++) {
    steps[roll(steps.length)]();
    assert.ok(b.clock.alive <= 1, 'step ' + i);
    assert.ok(b.sockets.filter((s) => s.readyState === 1).length <= 1, 'step ' + i);
    visited.add(ws.readyState);
  }
  assert.deepEqual([visited.size, b.clock.thrown], [4, []]);
  ws.close();
  b.sockets.forEach((s) => { if (s.readyState === 2) { s.drop(1005); } });
  assert.deepEqual([ws.readyState, b.clock.alive], [3, 0]);
});
