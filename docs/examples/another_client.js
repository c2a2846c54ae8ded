function connect() {
  return WSGuard.url('/echo').then(function (url) {
    var ws = new WebSocket(url);
    ws.onclose = later;  // a new URL each time
    return ws;
  }, function (error) {
    if (error.code === 1006) { later(); } else { location.reload(); } // else: log in again
  });
}

function later() {
  setTimeout(connect, 1000 + 4000 * Math.random());
}
