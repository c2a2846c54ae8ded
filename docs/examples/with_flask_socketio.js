// A token opens one socket, and socket.io keeps its query: so it may not reconnect by itself.
var socket = io({ transports: ['websocket'], autoConnect: false, reconnection: false });
var retry;

function connect() {
  clearTimeout(retry);
  WSGuard.url('/socket.io/').then(function (url) {
    socket.io.opts.query = { wsguard_token: new URL(url).searchParams.get('wsguard_token') };
    socket.connect();
  }, function (error) {
    if (error.code !== 1006) { throw error; } // for good: let the user log in
    later();
  });
}

function later() {
  clearTimeout(retry);
  retry = setTimeout(connect, 1000 + 4000 * Math.random());
}

socket.on('disconnect', later);
socket.on('connect_error', later);
connect();
