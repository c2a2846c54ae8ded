/* Sends the forms under "Try it" without leaving the page, so that its socket lives on. */
(function () {
  'use strict';

  var note = document.getElementById('note');
  var forms = document.querySelectorAll('form.quiet'), i;

  function fields(form) {
    return Array.prototype.map.call(form.querySelectorAll('[name]'), function (field) {
      return encodeURIComponent(field.name) + '=' + encodeURIComponent(field.value);
    }).join('&');
  }

  // What was removed can be given back next, and the reverse.
  function turn(button) {
    var removed = button.value === 'no';
    button.value = removed ? 'yes' : 'no';
    button.textContent = button.textContent.replace(/Remove|Give back/, removed ? 'Give back' : 'Remove');
  }

  function send(event) {
    var form = event.currentTarget, button = form.querySelector('button'), xhr = new XMLHttpRequest();
    event.preventDefault();
    // A button that was really disabled would lose the focus of whoever pressed it.
    if (button.getAttribute('aria-disabled') === 'true') { return; }
    button.setAttribute('aria-disabled', 'true');
    xhr.open('POST', form.action, true);
    xhr.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
    xhr.onreadystatechange = function () {
      if (xhr.readyState !== 4) { return; }
      button.setAttribute('aria-disabled', 'false');
      if (xhr.status === 200) {
        note.textContent = form.getAttribute('data-done');
        if (button.name) { turn(button); }
      } else {
        note.textContent = xhr.status === 401 ? 'Nobody is logged in here any more.' : 'That did not work; is the server running?';
      }
    };
    xhr.send(fields(form));
  }

  for (i = 0; i < forms.length; i++) { forms[i].addEventListener('submit', send); }
}());
