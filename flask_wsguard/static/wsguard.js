/* flask_wsguard browser client, BSD-3-Clause. Hand-written ES5, no build step. Options and types: wsguard.d.ts */
(function (root, make) {
  if (typeof module === 'object' && module.exports) {
    module.exports = make(root);
  } else if (typeof define === 'function' && define.amd) {
    define([], function () { return make(root); });
  } else {
    root.WSGuard = make(root);
  }
}(typeof window === 'undefined' ? {} : window, function (page) {
  'use strict';

  // The only door to the browser: tests put their own things behind it.
  var door = {
    window: page,
    document: page.document,
    location: page.location,
    console: page.console,
    WebSocket: page.WebSocket,
    XMLHttpRequest: page.XMLHttpRequest,
    Promise: page.Promise,
    random: Math.random,
    now: Date.now,
    setTimeout: function (call, ms) { return setTimeout(call, ms); },
    clearTimeout: function (id) { clearTimeout(id); }
  };

  var DEFAULTS = {
    csrfHeader: 'X-CSRFToken', carrier: 'query', reconnect: true, maxRetries: Infinity, minDelay: 1000,
    maxDelay: 30000, factor: 2, minUptime: 5000, timeout: 10000, maxQueue: 100
  };

  // The words this file makes or branches on, and no others, for the sake of its size. The whole list is the
  // type `Reason` in wsguard.d.ts; a Python test compares both with the server's enum.
  var REASONS = [/* reasons:begin */
    'login_required', 'session_ended', 'user_changed',
    'network', 'timeout', 'rate_limited', 'server_error', 'bad_response', 'handshake_failed'
  /* reasons:end */];

  // What readyState says in each state of the machine.
  var READY = { preauth: 0, handshake: 0, waiting: 0, frozen: 0, open: 1, closing: 2, closed: 3 };

  // setTimeout keeps 32 bits: a Retry-After of a month would fire at once, and for ever.
  var LONGEST = 0x7fffffff;

  // Below a folder, as the guard serves it: in a site's own /static/ a copy tells nothing of preauth.
  var SCRIPT = /^(https?:\/\/[^\/?]+\/[^?]+)\/static\/wsguard(\.min)?\.js(\?.*)?$/;
  var script = ownScript();

  // IE 11 has no currentScript, modules and bundles have none of ours: look for the last that can be us.
  function ownScript() {
    var found = page.document ? page.document.getElementsByTagName('script') : [];
    var mine = page.document && page.document.currentScript, i = found.length;
    while (i && !(mine && SCRIPT.test(mine.src))) { mine = found[--i]; }
    return mine && SCRIPT.test(mine.src) && { src: mine.src, subject: mine.getAttribute('data-subject') };
  }

  function settings(given) {
    var all = {}, key;
    for (key in DEFAULTS) { all[key] = DEFAULTS[key]; }
    for (key in given) { if (given[key] !== undefined) { all[key] = given[key]; } }
    return all;
  }

  // A page's own callback that throws must be seen by its developer and must not stop the machine.
  function report(error) {
    door.setTimeout(function () { throw error; }, 0);
  }

  function utf8Length(text) {
    return text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '1234').replace(/[\u0800-\uffff]/g, '123')
      .replace(/[\u0080-\u07ff]/g, '12').length;
  }

  // location.origin is missing in IE 11; its anchors write out the default port, which no Origin has.
  function originOf(place) {
    return place.protocol + '//' + place.host.replace(place.protocol === 'http:' ? /:80$/ : /:443$/, '');
  }

  function locate(url) {
    var a = door.document.createElement('a');
    a.href = url.trim().replace(/^ws(s?:)/i, 'http$1'); // old anchors cannot take ws: apart
    a.href = a.href; // IE fills in host and protocol only from an absolute address
    if (!/^https?:$/.test(a.protocol) || url.indexOf('#') >= 0) {
      throw new SyntaxError('WSGuard: bad URL ' + url);
    }
    return { origin: originOf(a), path: a.pathname.replace(/^\/?/, '/'), query: a.search };
  }

  // Preauth goes to the socket's own host, the only one whose cookie travels with the handshake.
  function aim(url, options) {
    var socket = locate(url + ''), given = options.preauth || script && script.src.replace(SCRIPT, '$1/preauth');
    var guard = given && locate(given);
    if (!options.preauth && (!guard || guard.origin !== socket.origin)) {
      guard = { origin: socket.origin, path: '/wsguard/preauth', query: '' };
    }
    return {
      url: (socket.origin + socket.path + socket.query).replace('http', 'ws'),
      path: socket.path,
      preauth: guard.origin + guard.path + guard.query,
      foreign: guard.origin !== originOf(door.location)
    };
  }

  function withToken(url, grant) {
    return grant.token === null ? url : url + (url.indexOf('?') < 0 ? '?' : '&') +
      encodeURIComponent(grant.param) + '=' + encodeURIComponent(grant.token);
  }

  function backoff(attempt, options, random) {
    options = settings(options);
    return Math.floor((random || door.random)() *
      Math.min(LONGEST, options.maxDelay, options.minDelay * Math.pow(options.factor, attempt)));
  }

  function retryAfter(value) {
    var ms = /^\d+$/.test(value) ? value * 1000 : Date.parse(value) - door.now();
    return Math.min(LONGEST, Math.max(0, ms) || 0);
  }

  // How a try ended, if not with a grant: for good, or (1006, what a browser says of any failure) for now.
  function fate(code, reason, problem, after) {
    return { code: code, reason: reason, problem: problem, after: after || 0, retry: code === 1006 };
  }

  function word(value) {
    return typeof value === 'string' && value !== '';
  }

  function isGrant(body) {
    return body && (body.subject === null || word(body.subject)) && (body.token === null ||
      word(body.token) && word(body.param) && typeof body.expires_in === 'number');
  }

  // What an answer of preauth means: a grant, or the fate of this try.
  function verdict(xhr, target) {
    var status = xhr.status, type, body, problem, reason, passing;
    if (!status) { return fate(1006, 'network'); }
    type = xhr.getResponseHeader('Content-Type') || '';
    try { body = /json/i.test(type) && JSON.parse(xhr.responseText); } catch (e) { body = null; }
    problem = /problem\+json/i.test(type) && body || null;
    reason = problem && word(problem.reason) && problem.reason;
    passing = { 408: 'timeout', 425: 'server_error', 429: 'rate_limited' }[status] || status > 499 && 'server_error';
    if (passing) {
      return fate(1006, reason || passing, problem, retryAfter(xhr.getResponseHeader('Retry-After')));
    }
    // A login page comes as 200, or, where it takes no POST, as an error at the address it was sent on to.
    if (status === 401 || /html/i.test(type) &&
        (status === 200 || xhr.responseURL && xhr.responseURL !== target.preauth)) {
      return fate(4401, 'login_required', problem);
    }
    if (status === 200 && isGrant(body)) {
      return sameUser(body, target) ? body : fate(4401, 'user_changed');
    }
    return fate(status !== 403 ? 4400 : reason === 'session_ended' || reason === 'user_changed' ? 4401 : 4403,
      reason || 'bad_response', problem);
  }

  // Whom each preauth address named first: all sockets of a page are one user's.
  var users = {};

  // A planted session, or another tab's login, must not send this page's words as somebody else. The page's
  // own subject is a hash over its host, so that it says nothing about an answer from another one.
  function sameUser(grant, target) {
    var at = target.preauth;
    users[at] = users[at] || !target.foreign && script && script.subject || grant.subject;
    return grant.subject === null || users[at] === grant.subject;
  }

  // One preauth at a time per page, in the order they were asked for: forty sockets that lost one server
  // must not all knock at once. Whoever ends, in whatever way, calls the next.
  var line = [], turn; // whose turn it is, or the timer that will call one

  function next() {
    turn = line.shift();
    if (turn) { turn(); }
  }

  function preauth(target, options, done) {
    var xhr, timer, over;

    function end() {
      over = true;
      door.clearTimeout(timer);
      if (xhr) {
        xhr.onreadystatechange = function () {};
        xhr.abort();
        xhr = null;
      }
    }

    function finish(answer) {
      var stopped;
      job.stop = function () { stopped = true; }; // the next one's headers() may close this very socket
      end();
      next();
      if (!stopped) { done(answer); }
    }

    function after(ms, answer) {
      door.clearTimeout(timer);
      timer = door.setTimeout(function () { finish(answer); }, ms);
    }

    function ask() {
      var headers, name, csrf = options.csrf, meta = door.document.querySelector('meta[name="csrf-token"]');
      try {
        headers = typeof options.headers === 'function' ? options.headers() : options.headers;
        if (over) { return; }
        if (csrf == null) { csrf = !target.foreign && meta && meta.content; } // never leaves its origin unasked
        xhr = new door.XMLHttpRequest();
        xhr.open('POST', target.preauth, true);
        if (options.withCredentials == null ? target.foreign : options.withCredentials) {
          xhr.withCredentials = true; // IE 11 throws before open()
        }
        xhr.setRequestHeader('Content-Type', 'application/json');
        xhr.setRequestHeader('Accept', 'application/json, application/problem+json');
        if (csrf) { xhr.setRequestHeader(options.csrfHeader, csrf); }
        for (name in headers) { xhr.setRequestHeader(name, headers[name]); }
        xhr.onreadystatechange = function () {
          if (xhr.readyState === 4) { finish(verdict(xhr, target)); }
        };
        after(options.timeout, fate(1006, 'timeout'));
        xhr.send(JSON.stringify({ path: target.path }));
      } catch (e) {
        report(e);
        if (!over) { after(0, fate(1006, 'network')); }
      }
    }

    var job = {
      // Whoever stops one may stop the whole line, and each would ask only to be cut off: the next waits for that.
      stop: function () {
        end();
        line = line.filter(function (other) { return other !== ask; });
        if (turn === ask) { turn = line.length && door.setTimeout(next, 0); }
      },
      start: function () {
        line.push(ask);
        if (!turn) { next(); }
      }
    };
    return job;
  }

  // Safari breaks when a CONNECTING socket is closed: let go of it, and close it should it ever open.
  function disown(raw) {
    raw.onmessage = raw.onerror = raw.onclose = null;
    raw.onopen = function () { raw.close(); };
    if (raw.readyState === 1) { raw.close(); }
  }

  function WSGuard(url, protocols, options) {
    var self = this, listeners = [], queue = [], bytes = 0, binaryType = 'blob', protocol = '';
    var state = 'closed', job, raw, timer; // the request, the socket and the one timer of this state
    var attempts, spare, openedAt, notBefore, after, asked, target;

    if (protocols && typeof protocols === 'object' && !Array.isArray(protocols)) {
      options = protocols;
      protocols = null;
    }
    options = settings(options);
    target = aim(url, options);
    asked = [].concat(protocols || options.protocols || []).map(String);
    asked.forEach(function (name, i) {
      if (!/^[!#$%&'*+\-.^`|~\w]+$/.test(name) || asked.indexOf(name) !== i) {
        throw new SyntaxError('WSGuard: bad protocol ' + name);
      }
    });

    Object.defineProperties(self, {
      url: { get: function () { return target.url; } },
      readyState: { get: function () { return READY[state]; } },
      protocol: { get: function () { return protocol; } },
      retryCount: { get: function () { return stable() ? 0 : attempts; } },
      bufferedAmount: { get: function () { return bytes + (raw ? raw.bufferedAmount : 0); } },
      binaryType: {
        get: function () { return binaryType; },
        set: function (type) {
          if (type === 'blob' || type === 'arraybuffer') {
            binaryType = type;
            if (raw) { raw.binaryType = type; }
          }
        }
      }
    });
    self.onopen = self.onmessage = self.onerror = self.onclose = self.onreconnecting = null;

    self.addEventListener = function (type, call) {
      if (call && !listeners.some(function (l) { return l.type === type && l.call === call; })) {
        listeners.push({ type: type, call: call });
      }
    };
    self.removeEventListener = function (type, call) {
      listeners = listeners.filter(function (l) { return l.type !== type || l.call !== call; });
    };

    function emit(type, facts) {
      var event = { type: type, target: self, currentTarget: self }, key;
      for (key in facts) { event[key] = facts[key]; }
      [{ call: self['on' + type] }].concat(listeners).forEach(function (l) {
        if (!l.call || l.type && (l.type !== type || listeners.indexOf(l) < 0)) { return; }
        if (type === 'reconnecting' && state === 'closed') { return; } // one before this one closed it
        try {
          if (l.call.handleEvent) { l.call.handleEvent(event); } else { l.call.call(self, event); }
        } catch (e) { report(e); }
      });
    }

    // Entering a state ends whatever the one before had running, so that nothing outlives its state.
    function enter(next, work, why) {
      if (job) { job.stop(); }
      state = next;
      job = work;
      door.clearTimeout(timer);
      if (raw && READY[next] % 3 === 0) {
        disown(raw);
        raw = null;
      }
      if (options.debug && door.console) { door.console.log('WSGuard: ' + target.path, next, why || ''); }
    }

    function connect() {
      var ask = preauth(target, options, function (answer) {
        if (answer.code) { dropped(answer); } else { handshake(answer); }
      });
      enter('preauth', ask);
      ask.start();
    }

    function handshake(grant) {
      var names = asked, address = target.url;
      enter('handshake');
      if (options.carrier !== 'subprotocol') {
        address = withToken(address, grant);
      } else if (grant.token !== null) {
        names = (asked[0] ? asked : ['wsguard']).concat('wsguard.token.' + grant.token);
      }
      try {
        raw = new door.WebSocket(address, names);
      } catch (e) { // IE's seventh socket or blocked zone; never reported, its message may hold the token
        return dropped(fate(1006, 'handshake_failed'));
      }
      raw.binaryType = binaryType;
      raw.onopen = opened;
      raw.onmessage = function (e) { emit('message', { data: e.data, origin: e.origin }); };
      raw.onerror = function () { emit('error'); };
      raw.onclose = closed;
      timer = door.setTimeout(function () { dropped(fate(1006, 'timeout')); }, options.timeout);
    }

    function opened() {
      openedAt = door.now();
      protocol = asked.indexOf(raw.protocol) < 0 ? '' : raw.protocol; // a server may echo the token's one
      enter('open');
      while (queue.length) {
        try { raw.send(queue.shift()); } catch (e) { report(e); }
      }
      bytes = 0;
      emit('open');
    }

    function closed(e) {
      var end = fate(1006, 'handshake_failed');
      if (state === 'closing') { return finish(e); }
      if (state === 'open') {
        end = fate(e.code, e.reason || (e.code === 1006 ? 'network' : ''));
        end.wasClean = e.wasClean;
        end.retry = !/^(100[0237-9]|1010|440[03])$/.test(e.code);
      } else {
        // A page cannot see why: the ticket may just have aged, so one fresh preauth is worth it at once.
        end.now = spare;
        spare = false;
      }
      dropped(end);
    }

    function stable() {
      return state === 'open' && door.now() - openedAt >= options.minUptime;
    }

    // What is left of the server's Retry-After: never more than it was, whatever the clock did meanwhile.
    function rest() {
      return Math.max(0, Math.min(after, notBefore - door.now())) || 0;
    }

    function fresh() {
      attempts = 0;
      spare = true;
    }

    // Every way to lose a connection, or not to get one, ends here.
    function dropped(end) {
      var delay, info;
      if (stable()) { fresh(); }
      if (!end.retry || !options.reconnect || attempts >= options.maxRetries) { return finish(end); }
      after = end.after;
      delay = Math.max(end.now ? 0 : backoff(attempts, options), after);
      info = { attempt: attempts + 1, delay: delay, reason: end.reason, code: end.code };
      enter('waiting', null, end.reason);
      try {
        if (options.shouldReconnect && options.shouldReconnect(info) === false) { end.retry = false; }
      } catch (e) { report(e); }
      if (state !== 'waiting') { return; } // the callback closed or reconnected
      if (!end.retry) { return finish(end); }
      attempts++;
      notBefore = door.now() + after;
      timer = door.setTimeout(connect, delay);
      emit('reconnecting', info);
    }

    function finish(end) {
      bytes = self.bufferedAmount;
      queue = [];
      enter('closed', null, end.code + ' ' + end.reason);
      watch('removeEventListener');
      emit('close', { code: end.code, reason: end.reason, wasClean: !!end.wasClean, problem: end.problem });
    }

    function watch(method) {
      ['online', 'pagehide', 'pageshow'].forEach(function (type) { door.window[method](type, onPage, false); });
      door.document[method]('visibilitychange', onPage, false);
    }

    function onPage(e) {
      var end;
      if (e.type === 'pagehide') {
        // An open socket would keep the page out of the back/forward cache.
        if (e.persisted && READY[state] < 2) { enter('frozen'); }
      } else if (state === 'frozen') {
        if (e.type === 'pageshow') {
          fresh();
          end = fate(1001, '', null, rest());
          end.retry = end.now = true;
          dropped(end);
        }
      } else if (state === 'waiting' && (e.type === 'online' || !door.document.hidden)) {
        door.clearTimeout(timer);
        timer = door.setTimeout(connect, rest());
      }
    }

    self.send = function (data) {
      var thing = Object(data), size = thing.byteLength, start = thing.byteOffset || 0;
      if (state === 'open') { return raw.send(data); }
      if (READY[state] === 0 && queue.length >= options.maxQueue) { throw new Error('WSGuard: queue full'); }
      if (size >= 0) { // as WebSocket does: what the buffer holds now, not what it will when it leaves
        data = (thing.buffer || thing).slice(start, start + size);
      } else if (thing.size >= 0) {
        size = thing.size;
      } else {
        data += '';
        size = utf8Length(data);
      }
      bytes += size;
      if (READY[state] === 0) { queue.push(data); }
    };

    self.close = function (code, reason) {
      if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
        throw new RangeError('WSGuard: bad code ' + code);
      }
      reason = (reason || '') + '';
      if (utf8Length(reason) > 123) { throw new SyntaxError('WSGuard: bad reason ' + reason); }
      if (state === 'open') {
        enter('closing');
        raw.close.apply(raw, arguments); // a code of undefined is not the same as none in old engines
      } else if (READY[state] === 0) {
        finish({ code: code || 1000, reason: reason, wasClean: true });
      }
    };

    self.reconnect = function () {
      if (state === 'closed') {
        bytes = 0;
        watch('addEventListener');
      }
      fresh();
      connect();
    };

    self.reconnect();
  }

  ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].forEach(function (name, value) {
    WSGuard[name] = WSGuard.prototype[name] = value;
  });

  WSGuard.url = function (url, options) {
    if (!door.Promise) { throw new Error('WSGuard.url needs Promise'); }
    return new door.Promise(function (resolve, reject) {
      var all = settings(options), target = aim(url, all);
      preauth(target, all, function (answer) {
        var error;
        if (!answer.code) { return resolve(withToken(target.url, answer)); }
        error = new Error('WSGuard: ' + answer.reason);
        error.code = answer.code;
        error.reason = answer.reason;
        error.problem = answer.problem;
        reject(error);
      }).start();
    });
  };

  WSGuard.backoff = backoff;
  WSGuard.reasons = Object.freeze(REASONS);
  WSGuard.door = door;
  return WSGuard;
}));
