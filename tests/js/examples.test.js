'use strict';
// The manual's snippets for pages, run as they stand.
const { test } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { browser } = require('./browser.js');

const EXAMPLES = path.join(__dirname, '../../docs/examples');
const read = (name) => fs.readFileSync(path.join(EXAMPLES, name), 'utf8');

test('another_client.js asks for a new URL before each connect', async () => {
  const b = browser(), opened = [], timers = [];
  class Other { constructor(url) { this.url = url; opened.push(this); } }
  const connect = new Function('WSGuard', 'WebSocket', 'setTimeout', read('another_client.js') + '; return connect;')(
    b.WSGuard, Other, (call, ms) => timers.push([call, ms]));
  const first = connect();
  b.xhr.grant('ONE');
  await first;
  opened[0].onclose();
  const [again, ms] = timers[0];
  assert.ok(ms >= 1000 && ms <= 5000);
  const second = again();
  b.xhr.grant('TWO');
  await second;
  assert.deepEqual(opened.map((ws) => ws.url), [
    'wss://example.org/echo?wsguard_token=ONE', 'wss://example.org/echo?wsguard_token=TWO',
  ]);
});

test('another_client.js comes back after a preauth that failed for now, and says when one failed for good', async () => {
  for (const [status, reason, waits] of [[503, undefined, 1], [401, 'login_required', 0]]) {
    const b = browser(), timers = [];
    const connect = new Function('WSGuard', 'setTimeout', read('another_client.js') + '; return connect;')(
      b.WSGuard, (call, ms) => timers.push(ms));
    const asked = connect().catch((error) => error.reason);
    b.xhr.answer(status, '');
    assert.deepEqual([await asked, timers.length], [reason, waits]);
  }
});

test('react.js opens with the component, closes with it, and keeps what came', () => {
  const b = browser(), effects = [];
  let state = [];
  const source = read('react.js').replace(/^import .*$/m, '').replace('export function', 'return function');
  const useMessages = new Function('useEffect', 'useState', 'WSGuard', source)(
    (effect, on) => effects.push([effect, on]),
    (initial) => { state = initial; return [state, (change) => { state = change(state); }]; },
    b.WSGuard);
  assert.deepEqual(useMessages('/echo'), []);
  const [effect, on] = effects[0];
  assert.deepEqual(on, ['/echo']);
  const leave = effect();
  b.xhr.grant();
  b.socket.accept();
  b.socket.message('one');
  b.socket.message('two');
  assert.deepEqual(state, ['one', 'two']);
  leave();
  assert.equal(b.socket.readyState, 2);
});

test('the quickstart page writes what comes and sends what is typed', () => {
  const b = browser(), log = { textContent: '' }, say = { text: { value: 'a word' } };
  const document = { getElementById: (id) => ({ log, say })[id] };
  new Function('document', 'WSGuard', read('quickstart/static/page.js'))(document, b.WSGuard);
  b.xhr.grant();
  b.socket.accept();
  b.socket.message('hello alice');
  assert.equal(say.onsubmit(), false);
  assert.deepEqual(b.socket.sent, ['a word']);
  assert.equal(say.text.value, '');
  b.socket.drop(1006);
  b.clock.tick(1000);
  b.xhr.answer(403, { reason: 'session_ended' });
  assert.equal(log.textContent, 'hello alice\nlost: network, again in 1000 ms\nclosed: session_ended\n');
});

test('several_hosts.js asks preauth on the host of the socket, with credentials', () => {
  const b = browser({ href: 'https://www.example.org/page', scripts: [{ src: 'https://www.example.org/wsguard/static/wsguard.js' }] });
  new Function('WSGuard', read('several_hosts.js'))(b.WSGuard);
  assert.deepEqual([b.xhr.url, b.xhr.withCredentials, b.xhr.body],
    ['https://live.example.org/wsguard/preauth', true, '{"path":"/updates"}']);
  b.xhr.grant();
  assert.equal(b.socket.url, 'wss://live.example.org/updates?wsguard_token=TOK');
});

test('user_changed.js loads the page anew for the new user, and for no other reason', () => {
  const b = browser(), location = { loads: 0, reload() { this.loads += 1; } };
  const connect = new Function('WSGuard', 'location', read('user_changed.js') + '; return connect;')(b.WSGuard, location);
  const ws = connect();
  b.xhr.answer(401, '');
  assert.equal(location.loads, 0);
  ws.reconnect();
  b.xhr.grant(); b.socket.accept(); b.socket.drop(1006); b.clock.tick(1000);
  b.xhr.grant('T', 'mallory');
  assert.equal(location.loads, 1);
});
