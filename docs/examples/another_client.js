function connect() {
  return WSGuard.url('/echo').then(function (url) {
    var ws = new WebSocket(url);
    ws.onclose = function () { setTimeout(connect, 1000); };  // a new URL each time
    return ws;
  });
}
