/* What a page of this suite can do, whoever owns it. A function with `done` calls it once. */

// Opens a socket, says `words` if given, and tells what the browser lets a page see.
function knock(url, done, words) {
  var saw = { opened: false, heard: null, code: null }, over = false, ws;
  function end() {
    if (!over) { over = true; done(saw); }
  }
  try { ws = new WebSocket(url); } catch (e) { saw.code = e.name; return end(); }
  ws.onopen = function () {
    saw.opened = true;
    if (words) { ws.send(words); }
  };
  ws.onmessage = function (event) {
    saw.heard = saw.heard || event.data;
    if (!words || event.data === words) { ws.close(); }
  };
  ws.onclose = function (event) { saw.code = event.code; end(); };
}

// Sends a request with cookies; a page of another origin may not be able to read the answer.
function ask(method, url, type, body, done) {
  var xhr = new XMLHttpRequest();
  xhr.open(method, url, true);
  xhr.withCredentials = true;
  if (type) { xhr.setRequestHeader('Content-Type', type); }
  xhr.onloadend = function () { done({ status: xhr.status, text: xhr.responseText }); };
  xhr.send(body);
}

// Asks preauth as the client does, and returns the address of the socket with its token.
function grant(prefix, path, done) {
  ask('POST', prefix + '/wsguard/preauth', 'application/json', JSON.stringify({ path: prefix + path }), function (answer) {
    var body = answer.status === 200 ? JSON.parse(answer.text) : {};
    done({
      status: answer.status, token: body.token, text: answer.text,
      url: location.protocol.replace('http', 'ws') + '//' + location.host + prefix + path + '?wsguard_token=' + body.token
    });
  });
}

// Posts a form, into a frame or in place of the page, as any page can to any site without asking it.
function submit(url, enctype, name, value, target) {
  var frame = document.createElement('iframe'), form = document.createElement('form');
  var field = document.createElement('input');
  frame.name = 'target' + Math.random();
  document.body.appendChild(frame);
  form.method = 'POST';
  form.action = url;
  form.enctype = enctype;
  form.target = target || frame.name;
  field.name = name;
  field.value = value;
  form.appendChild(field);
  document.body.appendChild(form);
  form.submit();
}

// Runs `knock` in a frame without an origin, whose sockets say `Origin: null`.
function knockFromSandbox(url, done) {
  var frame = document.createElement('iframe');
  frame.setAttribute('sandbox', 'allow-scripts');
  window.addEventListener('message', function (event) { done(event.data); });
  frame.srcdoc = '<script>' + knock + '\nknock(' + JSON.stringify(url) +
    ', function (saw) { parent.postMessage(saw, "*"); });</' + 'script>';
  document.body.appendChild(frame);
}

// Connects as the site's own pages do, and writes down every event of every socket in `events`.
var events = [], sockets = [];
function connect(path, options) {
  var socket = new WSGuard(path, options || {});
  ['open', 'message', 'reconnecting', 'close'].forEach(function (type) {
    socket.addEventListener(type, function (event) {
      events.push({ type: type, data: event.data, code: event.code, reason: event.reason, delay: event.delay });
    });
  });
  sockets.push(socket);
}

// Keeps back the sockets that clients open from now on, until `release`: each has then asked for its
// ticket, and none has used one.
var held = [];
function hold() {
  function Held(url, names) {
    var self = this;
    held.push(function () {
      self.raw = new WebSocket(url, names);
      ['onopen', 'onmessage', 'onerror', 'onclose'].forEach(function (on) {
        self.raw[on] = function (event) { if (self[on]) { self[on](event); } };
      });
    });
  }
  Held.prototype = {
    get readyState() { return this.raw ? this.raw.readyState : 0; },
    close: function () { this.raw.close(); }
  };
  WSGuard.door.WebSocket = Held;
}

function release() {
  held.splice(0).forEach(function (open) { open(); });
}

function count(type) {
  return events.filter(function (event) { return event.type === type; }).length;
}

function last(type) {
  return events.filter(function (event) { return event.type === type; }).pop();
}
