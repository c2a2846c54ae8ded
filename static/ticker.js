/* The clock, and what the server decided, from the public socket. */
(function () {
  'use strict';

  var KEPT = 50;
  var clock = document.getElementById('ticker');
  var list = document.getElementById('verdicts');
  var socket = new WSGuard('/ticker');

  function time(seconds) {
    return new Date(seconds * 1000).toLocaleTimeString();
  }

  function add(parent, tag, text) {
    var element = document.createElement(tag);
    element.appendChild(document.createTextNode(text));
    parent.appendChild(element);
    parent.appendChild(document.createTextNode(' '));
  }

  function show(verdict) {
    var line = document.createElement('li');
    line.className = verdict.reason ? 'no' : 'yes';
    add(line, 'strong', verdict.reason || 'accepted');
    add(line, 'span', verdict.step + ' ' + verdict.path);
    add(line, 'small', time(verdict.at) + ' \u00b7 ' + (verdict.user || 'nobody') + ' \u00b7 ' +
      (verdict.origin || 'no Origin'));
    list.insertBefore(line, list.firstChild);
    if (list.children.length > KEPT) { list.removeChild(list.lastElementChild); }
  }

  // Each connection tells all that is remembered, so that a reconnect leaves no gap.
  socket.onopen = function () { list.textContent = ''; };

  socket.onmessage = function (event) {
    var tick = JSON.parse(event.data);
    tick.verdicts.forEach(show);
    clock.textContent = time(tick.at) + ' \u00b7 ' +
      (tick.people === 1 ? '1 person' : tick.people + ' people') + ' in the chat';
  };

  socket.onreconnecting = socket.onclose = function () { clock.textContent = 'no connection'; };
}());
