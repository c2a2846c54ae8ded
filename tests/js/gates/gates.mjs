// npm ci && npm run gates [-- FILE_OR_PATTERN ...]     patterns are read from the repository's root
//
// Each gate prints one line; any that fails makes the whole run fail. Without arguments: the client and the demo's
// page scripts. Size and types are those of the client whatever the arguments.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import { ESLint } from 'eslint';
import { minify } from 'terser';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../../..');
const CLIENT = path.join(root, 'flask_wsguard/static/wsguard.js');
const PATTERNS = ['flask_wsguard/static/*.js', 'static/**/*.js'];
const MOST = 4096;

function walk(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name);
    return !entry.isDirectory() ? name : entry.name === 'node_modules' ? [] : walk(name);
  });
}

/** The files of patterns that know `**` and `*`; a pattern of nothing is an error only when it was asked for. */
function expand(patterns, asked) {
  return patterns.flatMap((pattern) => {
    const fixed = pattern.split('/').filter((part, i, all) => !all.slice(0, i + 1).some((p) => p.includes('*'))).join('/');
    const start = path.resolve(root, fixed);
    const whole = path.resolve(root, pattern).replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(?:.*/)?'));
    const found = !fs.existsSync(start) ? [] : fs.statSync(start).isFile() ? [start] : walk(start).filter((f) => new RegExp(`^${whole}$`).test(f));
    if (asked && !found.length) { throw new Error(`no file for ${pattern}`); }
    return found.sort();
  });
}

const node = (script, ...args) => execFileSync(process.execPath, [path.join(here, 'node_modules', script), ...args], { cwd: here, encoding: 'utf8', stdio: 'pipe' });
const isES5 = (file) => {
  try { node('es-check/lib/cli/index.js', 'es5', file); return true; } catch (e) { return false; }
};
const eslint = new ESLint({ cwd: root, overrideConfigFile: path.join(here, 'eslint.config.mjs'), ignore: false });

/** What ESLint says of a file, as one line each. */
async function lint(file) {
  const [result] = await eslint.lintFiles([file]);
  return result.messages.map((m) => `${path.relative(root, file)}:${m.line} ${m.ruleId || 'syntax'} ${m.message}`);
}

const GATES = {
  async syntax(files) {
    const bad = files.filter((file) => !isES5(file));
    if (bad.length) { throw new Error('not ES5: ' + bad.join(', ')); }
    return `${files.length} file(s) are ES5`;
  },
  async lint(files) {
    const bad = (await Promise.all(files.map(lint))).flat();
    if (bad.length) { throw new Error('\n' + bad.join('\n')); }
    return `${files.length} file(s) use nothing that IE 11 lacks`;
  },
  async size() {
    const { code } = await minify(fs.readFileSync(CLIENT, 'utf8'), { ecma: 5, compress: { passes: 3 }, mangle: true });
    const bytes = zlib.gzipSync(code, { level: 9 }).length;
    if (bytes >= MOST) { throw new Error(`${bytes} bytes, ${MOST} are too many`); }
    return `${code.length} bytes minified, ${bytes} gzipped, under ${MOST}`;
  },
  async types() {
    node('typescript/bin/tsc', '--project', here);
    return 'the sample compiles, its wrong lines do not';
  },
  async rejects() {
    const bad = walk(path.join(here, 'bad')).sort();
    const let_through = [];
    for (const file of bad) {
      // es-check reads syntax alone; what parses as ES5 is for ESLint to see.
      if (!(await lint(file)).length && isES5(file)) { let_through.push(path.basename(file)); }
    }
    if (let_through.length) { throw new Error('let through: ' + let_through.join(', ')); }
    const syntax = bad.filter((file) => path.basename(file).startsWith('syntax_') && isES5(file));
    if (syntax.length) { throw new Error('es-check lets through: ' + syntax.join(', ')); }
    return `all ${bad.length} bad snippets`;
  },
};

const asked = process.argv.slice(2);
const files = expand(asked.length ? asked : PATTERNS, asked.length > 0);
for (const [name, gate] of Object.entries(GATES)) {
  try {
    console.log(`ok    ${name}: ${await gate(files)}`);
  } catch (e) {
    console.log(`FAIL  ${name}: ${e.stdout || e.message}`);
    process.exitCode = 1;
  }
}
