var log = document.getElementById('log');
var say = document.getElementById('say');
var ws = new WSGuard('/echo');

function write(line) {
  log.textContent += line + '\n';
}

ws.onmessage = function (event) { write(event.data); };
ws.onreconnecting = function (event) { write('lost: ' + event.reason + ', again in ' + event.delay + ' ms'); };
ws.onclose = function (event) { write('closed: ' + event.reason); };

say.onsubmit = function () {
  ws.send(say.text.value);
  say.text.value = '';
  return false;
};
