import WSGuard, { WSGuard as named } from 'flask-wsguard';

console.log(typeof WSGuard, WSGuard.backoff(2, {}, () => 1), named === WSGuard);
