'use strict';
// A browser made of plain objects: the client is loaded into it as a page would load it, and the tests move its
// clock, answer its requests and play the server of its sockets.
const fs = require('node:fs');
const path = require('node:path');

const SOURCE = process.env.WSGUARD_JS || path.join(__dirname, '../../flask_wsguard/static/wsguard.js');
const client = new Function('window', 'module', 'define', 'setTimeout', 'clearTimeout', fs.readFileSync(SOURCE, 'utf8'));
const SCRIPT = 'https://example.org/wsguard/static/wsguard.js?v=1a2b';

class Clock {
  constructor() { this.time = Date.UTC(2026, 0, 1); this.timers = new Map(); this.next = 1; this.thrown = []; }
  set(call, ms) {
    // What browsers do to a delay: 32 bits, and nonsense is none.
    const delay = ms > 0x7fffffff || !(ms > 0) ? 0 : ms;
    this.timers.set(this.next, { at: this.time + delay, call });
    return this.next++;
  }
  clear(id) { this.timers.delete(id); }
  get alive() { return this.timers.size; }
  /** The delays, in ms, of the timers that are alive. */
  get delays() { return [...this.timers.values()].map((t) => t.at - this.time); }
  tick(ms = 0) {
    const end = this.time + ms;
    for (let n = 0; ; n++) {
      if (n > 9999) { throw new Error('the clock never comes to rest'); }
      const due = [...this.timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (!due) { break; }
      this.time = Math.max(this.time, due[1].at);
      this.timers.delete(due[0]);
      try { due[1].call(); } catch (e) { this.thrown.push(e); }
    }
    this.time = end;
  }
}

class Target {
  constructor() { this.listening = []; }
  addEventListener(type, call) { this.listening.push([type, call]); }
  removeEventListener(type, call) { this.listening = this.listening.filter((l) => l[0] !== type || l[1] !== call); }
  fire(type, facts) { this.listening.filter((l) => l[0] === type).forEach((l) => l[1]({ type, ...facts })); }
}

function anchors(base, ie) {
  return class Anchor {
    #url = null; #bare = false; #text = '';
    set href(text) {
      this.#text = text;
      this.#bare = ie && !/^[a-z]+:/i.test(text);
      try { this.#url = new URL(text, base); } catch (e) { this.#url = null; }
    }
    get href() { return this.#url ? this.#url.href : this.#text; }
    get protocol() { return this.#url && !this.#bare ? this.#url.protocol : ':'; }
    get host() {
      if (!this.#url || this.#bare) { return ''; }
      const port = this.#url.port || { 'http:': '80', 'https:': '443' }[this.#url.protocol];
      return ie ? this.#url.hostname + ':' + port : this.#url.host;
    }
    get pathname() { return !this.#url ? '' : ie ? this.#url.pathname.slice(1) : this.#url.pathname; }
    get search() { return this.#url ? this.#url.search : ''; }
  };
}

function browser(setup = {}) {
  const href = setup.href || 'https://example.org/page';
  const clock = new Clock();
  const xhrs = [], sockets = [], log = [];
  const window = new Target(), document = new Target();
  const b = { clock, xhrs, sockets, log, window, document, refuseSockets: null, refuseSend: null };
  const Anchor = anchors(href, setup.ie);

  class XHR {
    constructor() { this.readyState = 0; this.status = 0; this.sentHeaders = {}; this.aborted = false; xhrs.push(this); }
    #late(name, value) {
      if (this.readyState !== 1) { throw new Error('InvalidStateError: ' + name + ' before open()'); }
      this['_' + name] = value;
    }
    set withCredentials(v) { this.#late('withCredentials', v); }
    get withCredentials() { return this._withCredentials || false; }
    set timeout(v) { this.#late('timeout', v); }
    set responseType(v) { throw new Error('IE 11 knows no responseType ' + v); }
    open(method, url, async) { Object.assign(this, { method, url, async, readyState: 1 }); }
    setRequestHeader(name, value) {
      if (this.readyState !== 1) { throw new Error('InvalidStateError'); }
      this.sentHeaders[name.toLowerCase()] = String(value);
    }
    getResponseHeader(name) { return (this.headers && this.headers[name.toLowerCase()]) ?? null; }
    send(body) {
      if (b.refuseSend) { throw b.refuseSend; }
      this.body = body; this.sent = true;
    }
    abort() {
      this.aborted = true;
      if (this.sent && this.readyState !== 4) { this.readyState = 4; this.status = 0; this.onreadystatechange(); }
    }
    /** @param body text, or a value to be sent as JSON */
    answer(status, body, headers = {}, responseURL = this.url) {
      if (this.aborted) { throw new Error('answered an aborted request'); }
      const type = typeof body === 'object' ? status === 200 ? 'application/json' : 'application/problem+json' : 'text/plain';
      this.headers = { 'content-type': type };
      for (const name in headers) { this.headers[name.toLowerCase()] = headers[name]; }
      this.responseText = typeof body === 'object' ? JSON.stringify(body) : body;
      if (!setup.ie) { this.responseURL = responseURL; }
      for (this.readyState = 2; this.readyState < 4; this.readyState++) { this.onreadystatechange(); }
      this.status = status;
      this.onreadystatechange();
    }
    grant(token = 'TOK', subject = 'alice') {
      this.answer(200, { token, param: 'wsguard_token', expires_in: 30, subject });
    }
    fail() { this.readyState = 4; this.status = 0; this.headers = {}; this.onreadystatechange(); }
  }

  class Socket {
    constructor(url, protocols) {
      if (b.refuseSockets) { throw new Error(b.refuseSockets + ' ' + url); }
      Object.assign(this, { url, protocols, readyState: 0, bufferedAmount: 0, protocol: '', sent: [], closes: [], binaryType: 'blob' });
      sockets.push(this);
    }
    send(data) {
      if (this.readyState === 0) { throw new Error('InvalidStateError'); }
      if (this.failSend) { const e = this.failSend; this.failSend = null; throw e; }
      this.sent.push(data);
    }
    close(...args) {
      if (this.readyState === 0) { throw new Error('Safari: close() of a CONNECTING socket'); }
      this.closes.push(args);
      if (this.readyState === 1) { this.readyState = 2; }
    }
    accept(protocol = '') { this.readyState = 1; this.protocol = protocol; this.onopen && this.onopen({}); }
    message(data) { this.onmessage && this.onmessage({ data, origin: 'wss://example.org' }); }
    drop(code, reason = '', wasClean = code !== 1006) {
      this.readyState = 3;
      this.onclose && this.onclose({ type: 'close', target: this, code, reason, wasClean });
    }
    refuse() { this.readyState = 3; this.onerror && this.onerror({}); this.drop(1006); }
  }

  const scripts = (setup.scripts || [{ src: SCRIPT, subject: setup.subject }]).map((s) => ({
    src: s.src, getAttribute: (name) => (name === 'data-subject' && s.subject !== undefined ? s.subject : null),
  }));
  document.getElementsByTagName = (name) => (name === 'script' ? scripts : []);
  if ('current' in setup) { document.currentScript = scripts[setup.current]; }
  document.createElement = () => new Anchor();
  document.querySelector = (css) => (css === 'meta[name="csrf-token"]' && setup.meta ? { content: setup.meta } : null);
  document.hidden = false;
  const at = new URL(href);
  Object.assign(window, { document, WebSocket: Socket, XMLHttpRequest: XHR, location: { protocol: at.protocol, host: at.host, href } });
  if (!setup.ie) {
    window.console = { log: (...words) => log.push(words.join(' ')) };
    window.Promise = Promise;
  }
  client(window, undefined, undefined, (call, ms) => clock.set(call, ms), (id) => clock.clear(id));
  b.WSGuard = window.WSGuard;
  b.WSGuard.door.now = () => clock.time;
  b.WSGuard.door.random = () => b.chance;
  b.chance = 1;

  Object.defineProperty(b, 'xhr', { get: () => xhrs[xhrs.length - 1] });
  Object.defineProperty(b, 'socket', { get: () => sockets[sockets.length - 1] });
  /** A client whose events are written down as `seen`. */
  b.guard = (...args) => {
    const ws = new b.WSGuard(...args);
    ws.seen = [];
    for (const type of ['open', 'message', 'error', 'close', 'reconnecting']) {
      ws.addEventListener(type, (e) => ws.seen.push(e));
    }
    ws.types = () => ws.seen.map((e) => e.type);
    ws.last = (type) => ws.seen.filter((e) => e.type === type).pop();
    ws.count = (type) => ws.seen.filter((e) => e.type === type).length;
    return ws;
  };
  b.opened = (...args) => {
    const ws = b.guard(...args);
    b.xhr.grant();
    b.socket.accept();
    return ws;
  };
  return b;
}

/** The three facts that a close event promises. */
function closing(ws) {
  const e = ws.last('close');
  return e && [e.code, e.reason, e.wasClean];
}

module.exports = { browser, closing, SOURCE };
