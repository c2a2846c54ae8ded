/* What an engine does on the demo: one step a call, until it returns a text that tells all. */
function step() {
  var state = document.getElementById('state-text'), log = document.getElementById('log');
  var login = document.querySelector('button[value=alice]');

  // A button of the page by its words; none is the page's fault, and stops the flow here.
  function button(words) {
    return Array.prototype.filter.call(document.querySelectorAll('button'), function (one) {
      return one.textContent === words;
    })[0];
  }
  function press(words) {
    return function () { button(words).click(); };
  }
  function shows(start) {
    return function () { return state.textContent.indexOf(start) === 0; };
  }
  function offers(words) {
    return function () { return button(words); };
  }
  function say() {
    document.getElementById('text').value = 'hello from ES5';
    press('Send')();
  }
  function hears() {
    return log.lastElementChild;
  }

  // What is waited for, and what is done then.
  var stages = [
    [shows('Connected'), say],
    [hears, press('Drop the socket')],
    [shows('No connection'), function () {}],
    [shows('Connected'), press('Remove chat:read')],
    [offers('Give back chat:read'), press('Reconnect')],
    [shows('Refused'), press('Give back chat:read')],
    [offers('Remove chat:read'), press('Reconnect')],
    [shows('Connected'), press('End the session')],
    [shows('Refused'), function () {}]
  ];
  var flow = window.flow || (window.flow = { at: 0, states: [] }), modern = [];

  if (login) { login.click(); return ''; }
  if (!state || !window.WSGuard) { return ''; }
  // A tenth of the longest wait: seen by whoever looks every 50 ms, and soon over.
  window.WSGuard.door.random = function () { return 0.1; };
  if (!stages[flow.at][0]()) { return ''; }
  if (flow.states[flow.states.length - 1] !== state.textContent) { flow.states.push(state.textContent); }
  stages[flow.at][1]();
  flow.at += 1;
  if (flow.at < stages.length) { return ''; }
  ['Promise', 'fetch', 'Symbol'].forEach(function (name) {
    if (typeof window[name] === 'function') { modern.push(name); }
  });
  return JSON.stringify({
    agent: navigator.userAgent, modern: modern, states: flow.states, log: log.lastElementChild.textContent
  });
}
