'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { browser, closing } = require('./browser.js');

const HTML = { 'Content-Type': 'text/html; charset=utf-8' };
const problem = (reason, more) => ({ status: 0, title: 't', detail: 'd', reason, ...more });

// name, answer, [code, reason]
const FINAL = [
  ['401 with a problem', (x) => x.answer(401, problem('login_required', { login_url: '/login' })), [4401, 'login_required']],
  ['401 with another reason is still a login', (x) => x.answer(401, problem('token_missing')), [4401, 'login_required']],
  ['401 without a body', (x) => x.answer(401, ''), [4401, 'login_required']],
  ['200 with the HTML of a login page', (x) => x.answer(200, '<form>', HTML), [4401, 'login_required']],
  ['200 XHTML', (x) => x.answer(200, '<form>', { 'Content-Type': 'application/xhtml+xml' }), [4401, 'login_required']],
  ['a redirect that ended in HTML with 405', (x) => x.answer(405, '<p>', HTML, 'https://example.org/login'), [4401, 'login_required']],
  ['a redirect that ended in HTML with 403', (x) => x.answer(403, '<p>', HTML, 'https://example.org/login'), [4401, 'login_required']],
  ['a 403 keeps the server reason', (x) => x.answer(403, problem('scope_missing', { required: ['a'] })), [4403, 'scope_missing']],
  ['a 403 of a reason this file does not know', (x) => x.answer(403, problem('brand_new')), [4403, 'brand_new']],
  ['403 session_ended asks for a login', (x) => x.answer(403, problem('session_ended')), [4401, 'session_ended']],
  ['403 user_changed asks for a login', (x) => x.answer(403, problem('user_changed')), [4401, 'user_changed']],
  ['a 403 of a proxy, HTML', (x) => x.answer(403, '<h1>WAF', HTML), [4403, 'bad_response']],
  ['a 403 of a proxy, plain JSON', (x) => x.answer(403, { reason: 'session_ended' }, { 'Content-Type': 'application/json' }), [4403, 'bad_response']],
  ['a 403 whose reason is no word', (x) => x.answer(403, problem(7)), [4403, 'bad_response']],
  ['a 403 whose problem is null', (x) => x.answer(403, 'null', { 'Content-Type': 'application/problem+json' }), [4403, 'bad_response']],
  ['a 403 whose problem is broken JSON', (x) => x.answer(403, '{"rea', { 'Content-Type': 'application/problem+json' }), [4403, 'bad_response']],
  ['400', (x) => x.answer(400, problem('bad_request')), [4400, 'bad_request']],
  ['400 in HTML, such as a CSRF refusal', (x) => x.answer(400, '<p>CSRF', HTML), [4400, 'bad_response']],
  ['404', (x) => x.answer(404, problem('unknown_path')), [4400, 'unknown_path']],
  ['404 of somebody else', (x) => x.answer(404, 'not found'), [4400, 'bad_response']],
  ['405', (x) => x.answer(405, problem('bad_request')), [4400, 'bad_request']],
  ['415', (x) => x.answer(415, problem('not_json')), [4400, 'not_json']],
  ['409, a 4xx nobody sends', (x) => x.answer(409, ''), [4400, 'bad_response']],
  ['204', (x) => x.answer(204, ''), [4400, 'bad_response']],
  ['200 that is no JSON', (x) => x.answer(200, 'ok'), [4400, 'bad_response']],
  ['200 with good JSON sent as text', (x) => x.answer(200, '{"token":null,"subject":null}'), [4400, 'bad_response']],
  ['200 with broken JSON', (x) => x.answer(200, '{', { 'Content-Type': 'application/json' }), [4400, 'bad_response']],
];
const shapes = {
  'null': null, 'a list': [], 'an empty object': {}, 'no subject': { token: 't', param: 'p', expires_in: 30 },
  'no token': { param: 'p', expires_in: 30, subject: 's' }, 'an empty token': { token: '', param: 'p', expires_in: 30, subject: 's' },
  'a numeric token': { token: 1, param: 'p', expires_in: 30, subject: 's' }, 'no param': { token: 't', expires_in: 30, subject: 's' },
  'an empty param': { token: 't', param: '', expires_in: 30, subject: 's' }, 'a numeric param': { token: 't', param: 1, expires_in: 30, subject: 's' },
  'no expires_in': { token: 't', param: 'p', subject: 's' }, 'a textual expires_in': { token: 't', param: 'p', expires_in: '30', subject: 's' },
  'a numeric subject': { token: 't', param: 'p', expires_in: 30, subject: 7 }, 'an empty subject': { token: 't', param: 'p', expires_in: 30, subject: '' },
};
for (const name in shapes) {
  FINAL.push(['200 whose body is or has ' + name, (x) => x.answer(200, shapes[name], { 'Content-Type': 'application/json' }), [4400, 'bad_response']]);
}

for (const [name, answer, [code, reason]] of FINAL) {
  test('final: ' + name, () => {
    const b = browser(), ws = b.guard('/echo');
    answer(b.xhr);
    assert.deepEqual(closing(ws), [code, reason, false]);
    assert.deepEqual(ws.types(), ['close']);
    assert.equal(ws.readyState, 3);
    assert.equal(b.clock.alive, 0);
    assert.equal(b.sockets.length, 0);
  });
}

const DATE = { 'Retry-After': 'Thu, 01 Jan 2026 00:01:30 GMT' }; // 90 s after the clock's start
// name, answer, reason, delay in ms when the dice say 1 (1000 is the first step)
const RETRIED = [
  ['no answer at all', (x) => x.fail(), 'network', 1000],
  ['408', (x) => x.answer(408, ''), 'timeout', 1000],
  ['425', (x) => x.answer(425, ''), 'server_error', 1000],
  ['429', (x) => x.answer(429, ''), 'rate_limited', 1000],
  ['429 with the server reason', (x) => x.answer(429, problem('too_many_connections')), 'too_many_connections', 1000],
  ['429 with Retry-After in seconds', (x) => x.answer(429, '', { 'Retry-After': '7' }), 'rate_limited', 7000],
  ['429 with a Retry-After below the back-off', (x) => x.answer(429, '', { 'Retry-After': '0' }), 'rate_limited', 1000],
  ['429 with Retry-After as a date', (x) => x.answer(429, '', DATE), 'rate_limited', 90000],
  ['429 with Retry-After in the past', (x) => x.answer(429, '', { 'Retry-After': 'Wed, 31 Dec 2025 23:00:00 GMT' }), 'rate_limited', 1000],
  ['429 with a Retry-After of nonsense', (x) => x.answer(429, '', { 'Retry-After': 'soon' }), 'rate_limited', 1000],
  ['429 with a Retry-After of a year', (x) => x.answer(429, '', { 'Retry-After': '31536000' }), 'rate_limited', 0x7fffffff],
  ['429 in HTML behind a redirect', (x) => x.answer(429, '<p>', HTML, 'https://example.org/slow'), 'rate_limited', 1000],
  ['500', (x) => x.answer(500, '<p>', HTML), 'server_error', 1000],
  ['502 in HTML behind a redirect', (x) => x.answer(502, '<p>', HTML, 'https://example.org/x'), 'server_error', 1000],
  ['503 store_unavailable with Retry-After', (x) => x.answer(503, problem('store_unavailable'), { 'Retry-After': '3' }), 'store_unavailable', 3000],
  ['504', (x) => x.answer(504, ''), 'server_error', 1000],
];
for (const [name, answer, reason, delay] of RETRIED) {
  test('retried: ' + name, () => {
    const b = browser(), ws = b.guard('/echo');
    answer(b.xhr);
    const e = ws.last('reconnecting');
    assert.deepEqual([e.attempt, e.delay, e.reason, e.code], [1, delay, reason, 1006]);
    assert.deepEqual(b.clock.delays, [delay]);
    assert.deepEqual([ws.types(), ws.readyState, ws.retryCount], [['reconnecting'], 0, 1]);
    b.clock.tick(delay - 1);
    assert.equal(b.xhrs.length, 1);
    b.clock.tick(1);
    assert.equal(b.xhrs.length, 2);
    b.xhr.grant();
    assert.equal(b.sockets.length, 1);
  });
}

test('retried: a preauth that never answers, after `timeout`, and its request is aborted', () => {
  const b = browser(), ws = b.guard('/echo', { timeout: 4000 });
  b.clock.tick(3999);
  assert.deepEqual(ws.types(), []);
  b.clock.tick(1);
  assert.deepEqual([ws.last('reconnecting').reason, b.xhr.aborted, b.clock.alive], ['timeout', true, 1]);
});

test('retried: a handshake that never answers, without an immediate second preauth', () => {
  const b = browser(), ws = b.guard('/echo');
  b.xhr.grant();
  b.clock.tick(10000);
  const e = ws.last('reconnecting');
  assert.deepEqual([e.reason, e.code, e.delay, b.clock.alive], ['timeout', 1006, 1000, 1]);
});

test('retried: a refused handshake gets one immediate preauth, then backs off', () => {
  const b = browser(), ws = b.guard('/echo');
  const delays = [];
  ws.onreconnecting = (e) => delays.push([e.reason, e.delay, e.code]);
  for (let i = 0; i < 4; i++) {
    b.xhr.grant('T' + i);
    b.socket.refuse();
    b.clock.tick(delays[i][1]);
  }
  assert.deepEqual(delays, [['handshake_failed', 0, 1006], ['handshake_failed', 2000, 1006], ['handshake_failed', 4000, 1006], ['handshake_failed', 8000, 1006]]);
  assert.equal(b.xhrs.length, 5);
  assert.deepEqual(b.sockets.map((s) => s.url.slice(-2)), ['T0', 'T1', 'T2', 'T3']);
});

test('retried: the immediate preauth is there after another kind of failure too, and again after a stable connection', () => {
  const b = browser(), ws = b.guard('/echo');
  b.xhr.answer(503, '');
  b.clock.tick(1000);
  b.xhr.grant(); b.socket.refuse();
  assert.equal(ws.last('reconnecting').delay, 0);
  b.clock.tick(0);
  b.xhr.grant(); b.socket.accept();
  b.clock.tick(5000);
  b.socket.drop(1006);
  assert.deepEqual([ws.last('reconnecting').delay, ws.last('reconnecting').attempt], [1000, 1]);
  b.clock.tick(1000);
  b.xhr.grant(); b.socket.refuse();
  assert.equal(ws.last('reconnecting').delay, 0);
});

test('retried: a WebSocket constructor that throws is an outcome, and its message is told to nobody', () => {
  const b = browser(), ws = b.guard('/echo', { debug: true });
  b.refuseSockets = 'SecurityError';
  b.xhr.grant('SECRET');
  const e = ws.last('reconnecting');
  assert.deepEqual([e.reason, e.code, e.delay], ['handshake_failed', 1006, 1000]);
  b.refuseSockets = null;
  b.clock.tick(1000);
  b.xhr.grant('SECRET'); b.socket.accept();
  assert.equal(ws.readyState, 1);
  assert.deepEqual(b.clock.thrown, []);
  assert.ok(!b.log.join().includes('SECRET'));
});

test('retried: an XMLHttpRequest that throws', () => {
  const b = browser();
  b.refuseSend = new Error('denied');
  const ws = b.guard('/echo');
  assert.deepEqual(ws.types(), []); // not before the page could listen
  b.clock.tick(0);
  assert.equal(ws.last('reconnecting').reason, 'network');
  assert.deepEqual(b.clock.thrown, [b.refuseSend]);
  assert.equal(b.clock.alive, 1);
});

for (const code of [1000, 1002, 1003, 1007, 1008, 1009, 1010, 4400, 4403]) {
  test('an open socket closed with ' + code + ' is final', () => {
    const b = browser(), ws = b.opened('/echo');
    b.clock.tick(9000);
    b.socket.drop(code, 'said');
    assert.deepEqual(closing(ws), [code, 'said', true]);
    assert.deepEqual([ws.types(), b.clock.alive, ws.readyState], [['open', 'close'], 0, 3]);
  });
}
for (const [code, said, reason] of [[1001, '', ''], [1005, '', ''], [1006, '', 'network'], [1011, 'oops', 'oops'], [1012, '', ''],
  [1013, '', ''], [1015, '', ''], [3000, '', ''], [4000, '', ''], [4401, 'logout', 'logout'], [4402, '', ''], [4404, '', '']]) {
  test('an open socket closed with ' + code + ' comes back through a new preauth', () => {
    const b = browser(), ws = b.opened('/echo');
    b.socket.drop(code, said);
    const e = ws.last('reconnecting');
    assert.deepEqual([e.code, e.reason, e.delay, e.attempt], [code, reason, 1000, 1]);
    b.clock.tick(1000);
    assert.equal(b.xhrs.length, 2);
  });
}

test('after 4401 the next preauth decides: login_required is final', () => {
  const b = browser(), ws = b.opened('/echo');
  b.socket.drop(4401, 'logout');
  b.clock.tick(1000);
  b.xhr.answer(401, problem('login_required'));
  assert.deepEqual(closing(ws), [4401, 'login_required', false]);
});

test('a refusal hands its problem to the page', () => {
  const b = browser(), ws = b.guard('/echo');
  b.xhr.answer(403, problem('scope_missing', { required: ['chat:write'] }));
  assert.deepEqual(ws.last('close').problem.required, ['chat:write']);
});

test('the reasons are those this file makes or branches on, and cannot be changed', () => {
  const { WSGuard } = browser();
  assert.deepEqual([...WSGuard.reasons], ['login_required', 'session_ended', 'user_changed', 'network', 'timeout', 'rate_limited',
    'server_error', 'bad_response', 'handshake_failed']);
  assert.ok(Object.isFrozen(WSGuard.reasons));
});
