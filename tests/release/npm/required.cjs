const WSGuard = require('flask-wsguard');

console.log(typeof WSGuard, WSGuard.backoff(2, {}, () => 1), require('flask-wsguard/wsguard.js') === WSGuard);
