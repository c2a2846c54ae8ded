function connect() {
  return WSGuard.url('/echo').then(function (url) {
    var ws = new WebSocket(url);
    ws.onclose = later;  // a new URL each time
    return ws;
  }, function (error) {
    if (error.code !== 1006) { throw error; }  // for good: let the user log in
    later();
  });
}

function later() {
  setTimeout(connect, 1000 + 4000 * Math.random());
}
