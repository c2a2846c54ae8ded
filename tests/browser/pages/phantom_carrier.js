/* phantomjs phantom_carrier.js SITE: connects with the token in a subprotocol, and prints what came.
   From a page without a policy: to an engine this old connect-src 'self' never covers ws:. */
var page = require('webpage').create(), system = require('system');

// Runs on the page: logs in, then connects twice, without and with a protocol of the site's own.
function logIn() {
  var xhr = new XMLHttpRequest();
  xhr.open('POST', '/carried/login/alice', false);
  xhr.send('');
}
function open() {
  connect('/carried/echo', { carrier: 'subprotocol' });
  connect('/carried/echo', { carrier: 'subprotocol', protocols: ['chat'] });
}
function told() {
  return count('message') < 2 ? '' : JSON.stringify({
    agent: navigator.userAgent,
    heard: events.filter(function (event) { return event.type === 'message'; }).map(function (event) { return event.data; }),
    protocols: sockets.map(function (socket) { return socket.protocol; })
  });
}

page.onError = function (message) { console.log('PAGE ' + message); };
page.open(system.args[1] + '/control/page', function () {
  page.evaluate(logIn);
  page.includeJs(system.args[1] + '/carried/wsguard/static/wsguard.js', function () {
    var patience = 200, timer;
    page.evaluate(open);
    timer = setInterval(function () {
      var text = page.evaluate(told);
      if (text || !patience--) {
        clearInterval(timer);
        console.log('OUT ' + (text || '{}'));
        phantom.exit(0);
      }
    }, 50);
  });
});
