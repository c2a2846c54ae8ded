import WSGuard, { WSGuard as Named } from 'flask-wsguard';

const ws = new WSGuard('/echo', { maxRetries: 3 });
ws.onclose = (event) => {
  const reason: WSGuard.Reason | (string & {}) = event.reason;
  console.log(reason, event.code);
};
const options: Named.Options = { carrier: 'query' };
new Named('/echo', options);
// @ts-expect-error no such option
new WSGuard('/echo', { reconect: true });
