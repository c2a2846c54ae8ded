'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { browser } = require('./browser.js');

// page, url given, [socket url, path told to preauth, preauth address]
const HERE = 'https://example.org/wsguard/preauth';
const URLS = [
  ['https://example.org/page', '/echo', 'wss://example.org/echo', '/echo', HERE],
  ['https://example.org/a/b', 'echo', 'wss://example.org/a/echo', '/a/echo', HERE],
  ['https://example.org/a/b', 'ws/echo', 'wss://example.org/a/ws/echo', '/a/ws/echo', HERE],
  ['https://example.org/a/b', '../x', 'wss://example.org/x', '/x', HERE],
  ['https://example.org/', '/echo?room=1&b=%20', 'wss://example.org/echo?room=1&b=%20', '/echo', HERE],
  ['https://example.org/', ' /echo ', 'wss://example.org/echo', '/echo', HERE],
  ['https://example.org/', 'wss://example.org/echo', 'wss://example.org/echo', '/echo', HERE],
  ['https://example.org/', 'WSS://example.org:443/echo', 'wss://example.org/echo', '/echo', HERE],
  ['https://example.org/', 'https://example.org/echo', 'wss://example.org/echo', '/echo', HERE],
  ['https://example.org/', 'wss://example.org', 'wss://example.org/', '/', HERE],
  ['https://example.org/', '/caf%C3%A9', 'wss://example.org/caf%C3%A9', '/caf%C3%A9', HERE],
  ['https://example.org/', '//ws.example.org/x', 'wss://ws.example.org/x', '/x', 'https://ws.example.org/wsguard/preauth'],
  ['https://example.org/', 'wss://ws.example.org:8443/x?q', 'wss://ws.example.org:8443/x?q', '/x', 'https://ws.example.org:8443/wsguard/preauth'],
  ['https://example.org/', 'ws://example.org/x', 'ws://example.org/x', '/x', 'http://example.org/wsguard/preauth'],
  ['http://localhost:5000/', '/echo', 'ws://localhost:5000/echo', '/echo', 'http://localhost:5000/wsguard/preauth'],
  ['http://localhost:5000/', 'http://localhost:5001/echo', 'ws://localhost:5001/echo', '/echo', 'http://localhost:5001/wsguard/preauth'],
];
for (const ie of [false, true]) {
  for (const [href, url, socket, path, preauth] of URLS) {
    test((ie ? 'IE: ' : '') + url + ' on ' + href, () => {
      const b = browser({ href, ie, scripts: [{ src: new URL('/wsguard/static/wsguard.js', href).href }] }), ws = b.guard(url);
      assert.equal(ws.url, socket);
      assert.deepEqual([b.xhr.method, b.xhr.url, b.xhr.async, b.xhr.body], ['POST', preauth, true, JSON.stringify({ path })]);
      const cross = new URL(preauth).origin !== new URL(href).origin;
      assert.equal(b.xhr.withCredentials, cross);
      b.xhr.grant('a+b');
      assert.equal(b.socket.url, socket + (socket.includes('?') ? '&' : '?') + 'wsguard_token=a%2Bb');
      assert.equal(ws.url, socket);
    });
  }
}

for (const url of ['/echo#', '/echo#x', 'wss://example.org/echo#', 'ftp://example.org/', 'javascript:alert(1)', 'mailto:x', 'http://[::1', 'wss://ho st/']) {
  test('a bad URL throws at once, as WebSocket does: ' + url, () => {
    const b = browser();
    assert.throws(() => b.guard(url), { name: 'SyntaxError' });
    assert.deepEqual([b.xhrs.length, b.clock.alive, b.window.listening.length], [0, 0, 0]);
  });
}
for (const protocols of ['a b', ['a', 'a'], ['ok', ''], ['é'], ['a,b'], [null, 'null']]) {
  test('bad protocols throw at once: ' + JSON.stringify(protocols), () => {
    const b = browser();
    assert.throws(() => b.guard('/echo', protocols), { name: 'SyntaxError' });
    assert.deepEqual([b.xhrs.length, b.window.listening.length], [0, 0]);
  });
}

test('protocols come as a word, a list or an option, and an options object may take their place', () => {
  for (const [args, want] of [[['chat'], ['chat']], [[['a', 'b']], ['a', 'b']], [[], []], [[null, { protocols: 'x' }], ['x']],
    [[{ protocols: ['x', 'y'] }], ['x', 'y']], [['arg', { protocols: 'option' }], ['arg']]]) {
    const b = browser();
    b.guard('/echo', ...args);
    b.xhr.grant();
    assert.deepEqual(b.socket.protocols, want);
  }
});

test('protocol is the one the server chose, after the open', () => {
  const b = browser(), ws = b.guard('/echo', ['a', 'b']);
  assert.equal(ws.protocol, '');
  b.xhr.grant(); b.socket.accept('b');
  assert.equal(ws.protocol, 'b');
});

test('the subprotocol carrier sends the token beside the protocols, never in the URL, and shows neither', () => {
  let b = browser(), ws = b.guard('/echo?q=1', ['chat'], { carrier: 'subprotocol' });
  b.xhr.grant('SECRET');
  assert.deepEqual([b.socket.url, b.socket.protocols], ['wss://example.org/echo?q=1', ['chat', 'wsguard.token.SECRET']]);
  b.socket.accept('wsguard.token.SECRET');
  assert.equal(ws.protocol, '');
  b.socket.drop(1006); b.clock.tick(1000);
  b.xhr.grant('NEXT');
  assert.deepEqual(b.socket.protocols, ['chat', 'wsguard.token.NEXT']);
  b = browser(); ws = b.guard('/echo', { carrier: 'subprotocol' });
  b.xhr.grant('SECRET');
  assert.deepEqual(b.socket.protocols, ['wsguard', 'wsguard.token.SECRET']);
  b.socket.accept('wsguard');
  assert.equal(ws.protocol, '');
});

test('the subprotocol carrier has nothing to carry on a public route', () => {
  const b = browser();
  b.guard('/ticker', { carrier: 'subprotocol' });
  b.xhr.grant(null, null);
  assert.deepEqual([b.socket.url, b.socket.protocols], ['wss://example.org/ticker', []]);
});

test('the parameter is the one preauth names', () => {
  const b = browser();
  b.guard('/echo');
  b.xhr.answer(200, { token: 't', param: 'x&y', expires_in: 30, subject: 's' });
  assert.equal(b.socket.url, 'wss://example.org/echo?x%26y=t');
});

// scripts on the page, index of currentScript, preauth address, data-subject that must refuse mallory
const own = 'https://example.org';
const SCRIPTS = [
  ['none: the default path', [], undefined, own + '/wsguard/preauth'],
  ['another prefix', [{ src: own + '/app/guard/static/wsguard.js?v=9' }], undefined, own + '/app/guard/preauth'],
  ['the minified name', [{ src: own + '/g/static/wsguard.min.js' }], undefined, own + '/g/preauth'],
  ['the last that matches', [{ src: own + '/a/static/wsguard.js' }, { src: own + '/b/static/wsguard.js' }, { src: own + '/app.js' }], undefined, own + '/b/preauth'],
  ['currentScript before the last', [{ src: own + '/a/static/wsguard.js' }, { src: own + '/b/static/wsguard.js' }], 0, own + '/a/preauth'],
  ['currentScript of a bundle', [{ src: own + '/a/static/wsguard.js' }, { src: own + '/bundle.js' }], 1, own + '/a/preauth'],
  ['only a bundle', [{ src: own + '/bundle.js' }], 0, own + '/wsguard/preauth'],
  ['inline scripts', [{ src: '' }], undefined, own + '/wsguard/preauth'],
  ['a copy among the site\'s own files', [{ src: own + '/static/wsguard.js' }], undefined, own + '/wsguard/preauth'],
  ['look-alikes', [{ src: own + '/static/notwsguard.js' }, { src: own + '/static/wsguard.js.map' }, { src: own + '/x?/static/wsguard.js' }], undefined, own + '/wsguard/preauth'],
  ['a file', [{ src: 'file:///x/static/wsguard.js' }], undefined, own + '/wsguard/preauth'],
  ['a CDN is not the socket\'s host', [{ src: 'https://cdn.example/x/static/wsguard.js' }], undefined, own + '/wsguard/preauth'],
];
for (const [name, scripts, current, preauth] of SCRIPTS) {
  test('script on the page: ' + name, () => {
    const b = browser(current === undefined ? { scripts } : { scripts, current });
    b.guard('/echo');
    assert.equal(b.xhr.url, preauth);
  });
}

test('a script that the socket\'s own host served knows that host\'s prefix', () => {
  const b = browser({ scripts: [{ src: 'https://ws.example.org/g/static/wsguard.js' }] });
  b.guard('wss://ws.example.org/echo');
  assert.deepEqual([b.xhr.url, b.xhr.withCredentials], ['https://ws.example.org/g/preauth', true]);
});

test('data-subject is read from the script that was chosen', () => {
  const scripts = [{ src: own + '/a/static/wsguard.js', subject: 'alice' }, { src: own + '/b/static/wsguard.js', subject: 'bob' }];
  for (const [current, who] of [[0, 'alice'], [1, 'bob']]) {
    const b = browser({ scripts, current });
    b.guard('/echo');
    b.xhr.grant('T', who);
    assert.equal(b.sockets.length, 1);
  }
});

test('the preauth option wins, relative or not', () => {
  for (const [preauth, want, cross] of [['/other/preauth?x=1', own + '/other/preauth?x=1', false], ['https://api.example.org/p', 'https://api.example.org/p', true]]) {
    const b = browser();
    b.guard('/echo', { preauth });
    assert.deepEqual([b.xhr.url, b.xhr.withCredentials], [want, cross]);
  }
});

test('withCredentials can be set against the default', () => {
  const b = browser();
  b.guard('/echo', { withCredentials: true });
  assert.equal(b.xhr.withCredentials, true);
  b.xhr.grant();
  b.guard('wss://other.example/echo', { withCredentials: false });
  assert.equal(b.xhr.withCredentials, false);
});

test('preauth asks for JSON in JSON', () => {
  const b = browser();
  b.guard('/echo');
  assert.deepEqual(b.xhr.sentHeaders, { 'content-type': 'application/json', accept: 'application/json, application/problem+json' });
});

// meta, options, url, header and value
const CSRF = [
  ['the meta tag', 'M', {}, '/echo', 'x-csrftoken', 'M'],
  ['another header', 'M', { csrfHeader: 'X-XSRF' }, '/echo', 'x-xsrf', 'M'],
  ['the option', 'M', { csrf: 'mine' }, '/echo', 'x-csrftoken', 'mine'],
  ['switched off', 'M', { csrf: '' }, '/echo', 'x-csrftoken', undefined],
  ['no meta tag', undefined, {}, '/echo', 'x-csrftoken', undefined],
  ['never to another origin', 'M', {}, 'wss://ws.example.org/echo', 'x-csrftoken', undefined],
  ['to another origin when asked', 'M', { csrf: 'mine' }, 'wss://ws.example.org/echo', 'x-csrftoken', 'mine'],
];
for (const [name, meta, options, url, header, value] of CSRF) {
  test('csrf: ' + name, () => {
    const b = browser({ meta });
    b.guard(url, options);
    assert.equal(b.xhr.sentHeaders[header], value);
  });
}

test('headers come as an object, or as a function asked before every preauth', () => {
  let b = browser(), n = 0;
  b.guard('/echo', { headers: { Authorization: 'Bearer x' } });
  assert.equal(b.xhr.sentHeaders.authorization, 'Bearer x');
  b = browser();
  b.guard('/echo', { headers: () => ({ Authorization: 'Bearer ' + ++n }) });
  b.xhr.fail(); b.clock.tick(1000);
  assert.deepEqual(b.xhrs.map((x) => x.sentHeaders.authorization), ['Bearer 1', 'Bearer 2']);
});

test('IE: without console, Promise and responseURL the whole way still works, debug included', () => {
  const b = browser({ ie: true }), ws = b.opened('/echo', { debug: true });
  assert.equal(ws.readyState, 1);
});
