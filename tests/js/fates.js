'use strict';
// What the client does with each answer of preauth: `node fates.js '{"reason": status, ...}'` prints
// {"reason": "tries again" | "closes with 4401" | ...}. The manual is compared with it.
const { browser } = require('./browser.js');

const fates = {};
for (const [reason, status] of Object.entries(JSON.parse(process.argv[2]))) {
  const b = browser(), ws = b.guard('/echo');
  b.xhr.answer(status, { status, title: 't', detail: 'd', reason });
  const last = ws.seen[ws.seen.length - 1];
  fates[reason] = last.type === 'reconnecting' ? 'tries again' : 'closes with ' + last.code;
}
process.stdout.write(JSON.stringify(fates));
