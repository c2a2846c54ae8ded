// node page.mjs URL [FILE ...] < CODE
//
// Load a page as a browser would (cookies, XMLHttpRequest, WebSocket and its scripts, by jsdom), then run the files
// and the code in it. The code calls tell(value): one line of JSON each. It ends with the process's standard input.
import fs from 'node:fs';
import { JSDOM, VirtualConsole } from 'jsdom';

const [url, ...files] = process.argv.slice(2);
const code = await new Promise((resolve) => {
  let text = '';
  process.stdin.on('data', (data) => {
    text += data;
    if (text.endsWith('\0')) { resolve(text.slice(0, -1)); }
  });
  process.stdin.on('end', () => process.exit());
});
const dom = await JSDOM.fromURL(url, { runScripts: 'dangerously', resources: 'usable', virtualConsole: new VirtualConsole() });
const { window } = dom;
if (window.document.readyState !== 'complete') {
  await new Promise((resolve) => window.addEventListener('load', resolve));
}
window.tell = (...values) => process.stdout.write(JSON.stringify(values) + '\n');
window.addEventListener('error', (event) => window.tell('error', event.message));
for (const file of files) { window.eval(fs.readFileSync(file, 'utf8')); }
window.eval(code);
