/* The chat, and the state of its connection. */
(function () {
  'use strict';

  // What to do about a refusal; the link is the page itself, which asks who is there.
  var RELOGIN = { advice: 'Nobody is logged in here any more.', link: 'Log in' };
  var ADVICE = {
    login_required: RELOGIN,
    session_ended: RELOGIN,
    user_changed: { advice: 'Somebody else is logged in here now.', link: 'Reload' },
    scope_missing: { advice: 'Give the scope back below, then reconnect.' }
  };

  var log = byId('log'), form = byId('say'), text = byId('text');
  var state = byId('state'), word = byId('state-text'), wait = byId('state-wait'), link = byId('state-link');
  var drop = byId('drop'), reconnect = byId('reconnect');
  var countdown, waiting = 0;

  // Long enough to watch the countdown; the default is one second.
  var socket = new WSGuard('/chat', { minDelay: 6000 });

  function byId(id) {
    return document.getElementById(id);
  }

  function show(kind, sentence) {
    clearInterval(countdown);
    state.className = 'state ' + kind;
    word.textContent = sentence;
    wait.textContent = '';
    link.hidden = true;
    drop.setAttribute('aria-disabled', kind === 'open' ? 'false' : 'true'); // it keeps the focus of who pressed it
  }

  // Beside the status, not in it: a screen reader need not hear every second.
  function count(until) {
    var seconds = Math.ceil((until - new Date().getTime()) / 1000);
    if (seconds <= 0) { return show('connecting', 'Connecting\u2026'); }
    wait.textContent = 'in ' + seconds + ' s' + unsent();
  }

  function unsent() {
    return waiting ? (waiting === 1 ? ', 1 message waits' : ', ' + waiting + ' messages wait') : '';
  }

  function add(message) {
    var line = document.createElement('p'), name = document.createElement('strong');
    var mine = message.person === log.getAttribute('data-me');
    line.className = mine ? 'message mine' : 'message';
    name.textContent = message.name + ' ';
    name.title = new Date(message.at * 1000).toLocaleTimeString();
    line.appendChild(name);
    line.appendChild(document.createTextNode(message.text));
    log.appendChild(line);
    log.scrollTop = log.scrollHeight;
  }

  // The room tells its history at every connection. Busy: nobody wants to hear it all again.
  function refill(history) {
    log.setAttribute('aria-busy', 'true');
    log.textContent = '';
    history.forEach(add);
    log.setAttribute('aria-busy', 'false');
  }

  socket.onopen = function () {
    waiting = 0;
    show('open', 'Connected');
  };

  socket.onmessage = function (event) {
    var message = JSON.parse(event.data);
    if (message.history) { refill(message.history); } else { add(message); }
  };

  socket.onreconnecting = function (event) {
    var until = new Date().getTime() + event.delay;
    show('waiting', 'No connection (' + (event.reason || event.code) + '), trying again');
    countdown = setInterval(function () { count(until); }, 250);
    count(until);
  };

  socket.onclose = function (event) {
    var known = ADVICE[event.reason] || { advice: event.problem ? event.problem.title : '' };
    show('refused', 'Refused: ' + (event.reason || event.code) + '. ' + known.advice +
      (waiting ? ' What waited was not sent.' : ''));
    link.hidden = !known.link;
    link.textContent = known.link || '';
    waiting = 0;
  };

  form.addEventListener('submit', function (event) {
    event.preventDefault();
    if (!text.value.trim() || socket.readyState > WSGuard.OPEN) { return; }
    socket.send('say ' + text.value);
    if (socket.readyState !== WSGuard.OPEN) { waiting += 1; }
    text.value = '';
  });

  drop.addEventListener('click', function () {
    if (socket.readyState === WSGuard.OPEN) { socket.send('drop'); }
  });

  reconnect.addEventListener('click', function () {
    show('connecting', 'Connecting\u2026');
    socket.reconnect();
  });

  form.hidden = drop.hidden = reconnect.hidden = false;
  show('connecting', 'Connecting\u2026');
}());
