// What the types must allow, and (@ts-expect-error) what they must not. Compiled, never run.
import WSGuard = require('flask-wsguard');

const plain = new WSGuard('/echo');
const full = new WSGuard('/echo', ['chat', 'v2'], {
  preauth: '/guard/preauth', csrf: 'x', csrfHeader: 'X-XSRF', headers: () => ({ Authorization: 'Bearer x' }),
  withCredentials: true, protocols: null, carrier: 'subprotocol', reconnect: true, maxRetries: 5, minDelay: 1, maxDelay: 2,
  factor: 2, minUptime: 3, timeout: 4, maxQueue: 5, shouldReconnect: (info) => info.attempt < 3 && info.code !== 1012, debug: false,
});
new WSGuard('/echo', { debug: true });
new WSGuard('/echo', null, {});

plain.onmessage = (e) => console.log(e.data, e.origin);
plain.onclose = function (e) { this.reconnect(); console.log(e.code, e.reason, e.wasClean, e.problem?.required?.join()); };
plain.addEventListener('reconnecting', (e) => { const wait: number = e.delay; const why: string = e.reason; console.log(wait, why, e.attempt); });
plain.addEventListener('open', { handleEvent(e) { e.target.send(new Uint8Array(2)); } });
plain.binaryType = 'arraybuffer';
plain.close(4000, 'bye');
if (plain.readyState === WSGuard.OPEN && plain.retryCount === 0) { plain.send('x'); }
const wait: number = WSGuard.backoff(3, { factor: 3 }, Math.random) + WSGuard.backoff(0);
const url: Promise<string> = WSGuard.url('/echo', { timeout: 100 });
url.catch((e: WSGuard.UrlError) => console.log(e.code, e.reason, wait));
const reason: WSGuard.Reason = 'session_ended';
WSGuard.door.random = () => 0.5;
console.log(full.url, reason, WSGuard.reasons.indexOf('network'));

// @ts-expect-error a URL is needed
new WSGuard();
// @ts-expect-error no such option
new WSGuard('/echo', { reconect: true });
// @ts-expect-error no such carrier
new WSGuard('/echo', { carrier: 'header' });
// @ts-expect-error the machine's own
plain.readyState = 1;
// @ts-expect-error no such event
plain.addEventListener('opened', () => undefined);
// @ts-expect-error no listener options in IE 11
plain.addEventListener('open', () => undefined, { once: true });
// @ts-expect-error close has no data
plain.onclose = (e) => e.data;
// @ts-expect-error not a reason
const other: WSGuard.Reason = 'sesion_ended';
// @ts-expect-error the list is frozen
WSGuard.reasons.push('network');
// @ts-expect-error url does not reconnect
WSGuard.url('/echo', { maxRetries: 1 });
