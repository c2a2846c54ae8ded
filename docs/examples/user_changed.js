function connect() {
  var ws = new WSGuard('/echo');
  ws.onclose = function (event) {
    if (event.reason === 'user_changed') { location.reload(); }
  };
  return ws;
}
