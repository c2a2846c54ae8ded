// The client lives in flask_wsguard/static alone; what is packed is a copy made at this moment.
import fs from 'node:fs';

const here = new URL('.', import.meta.url);
for (const name of ['wsguard.js', 'wsguard.d.ts']) {
  fs.copyFileSync(new URL(`../flask_wsguard/static/${name}`, here), new URL(name, here));
}
fs.copyFileSync(new URL('../LICENSE', here), new URL('LICENSE', here));
// The archive keeps modes, and these come from the umask of whoever checked out.
for (const name of fs.readdirSync(here)) {
  if (fs.statSync(new URL(name, here)).isFile()) { fs.chmodSync(new URL(name, here), 0o644); }
}
