/* What an old engine does on the demo: one step a call, until it returns a text that tells all. */
function step() {
  var state = document.getElementById('state-text'), log = document.getElementById('log');
  var login = document.querySelector('button[value=alice]'), modern = [], last;
  if (login) { login.click(); return ''; }
  if (!state || state.textContent !== 'Connected') { return ''; }
  if (!window.asked) {
    window.asked = true;
    document.getElementById('text').value = 'hello from ES5';
    document.querySelector('#say button').click();
    return '';
  }
  last = log.lastElementChild;
  if (!last) { return ''; }
  ['Promise', 'fetch', 'Symbol'].forEach(function (name) {
    if (typeof window[name] === 'function') { modern.push(name); }
  });
  return JSON.stringify({
    agent: navigator.userAgent, modern: modern, state: state.textContent, log: last.textContent
  });
}
