// ES5 and IE 11, for the client and for the demo's page scripts. Every rule has a snippet in bad/ that it alone,
// or with others, rejects; gates.mjs proves it.
import compat from 'eslint-plugin-compat';
import esx from 'eslint-plugin-es-x';

const browser = [
  'window', 'document', 'location', 'navigator', 'console', 'performance', 'history', 'WebSocket', 'XMLHttpRequest',
  'WSGuard', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'requestAnimationFrame', 'getComputedStyle',
  'ArrayBuffer', 'Uint8Array', 'Blob', 'FormData', 'sessionStorage', 'localStorage',
  'module', 'define', // UMD
];
// ES5 arrays have these; es-x takes any object of unknown type for an iterator of ES2025.
const arrays = ['every', 'filter', 'foreach', 'map', 'reduce', 'some'];
const no = (selector, message) => ({ selector, message });

export default [
  compat.configs['flat/recommended'],
  esx.configs['flat/restrict-to-es5'],
  {
    files: ['**/*.js'],
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: {
      ecmaVersion: 5, sourceType: 'script', globals: Object.fromEntries(browser.map((name) => [name, 'readonly'])),
    },
    settings: { browsers: ['ie 11'], 'es-x': { aggressive: true } },
    rules: {
      'no-undef': 'error',
      'no-unused-vars': ['error', { caughtErrors: 'none', vars: 'local' }],
      'compat/compat': 'error',
      ...Object.fromEntries(arrays.map((name) => [`es-x/no-iterator-prototype-${name}`, 'off'])),
      // A field named `at` is data; the call is caught below.
      'es-x/no-array-prototype-at': 'off',
      'es-x/no-string-prototype-at': 'off',
      // What compat and es-x do not see.
      'no-restricted-syntax': ['error',
        no('NewExpression[callee.name=/^(Event|CustomEvent|MouseEvent|KeyboardEvent|MessageEvent|CloseEvent)$/]', 'IE 11 has no event constructors'),
        no("AssignmentExpression[left.property.name='responseType']", "IE 11 ignores responseType 'json' and throws before open()"),
        no("CallExpression[callee.property.name='addEventListener'][arguments.2.type='ObjectExpression']", 'IE 11 takes an options object for capture: true'),
        no('CallExpression[callee.property.name=/^(closest|append|prepend|replaceWith|replaceChildren|matches|before|after|toggleAttribute|scrollIntoViewIfNeeded)$/]', 'not in IE 11'),
        no("CallExpression[callee.property.name='at']", 'ES2022'),
        no("CallExpression[callee.property.name='remove'][arguments.length=0]", 'IE 11 has no ChildNode.remove'),
        no("CallExpression[callee.property.name='forEach'][callee.object.type='CallExpression'][callee.object.callee.property.name=/^(querySelectorAll|getElementsBy)/]", 'IE 11 has no NodeList.forEach'),
        no("CallExpression[callee.property.name='toggle'][callee.object.property.name='classList'][arguments.length=2]", 'IE 11 ignores the second argument'),
        no("CallExpression[callee.property.name=/^(add|remove)$/][callee.object.property.name='classList'][arguments.length>1]", 'IE 11 takes one class'),
        no("MemberExpression[property.name='origin'][object.property.name='location']", 'missing in IE 11 before Windows 10'),
        no("MemberExpression[property.name='origin'][object.name='location']", 'missing in IE 11 before Windows 10'),
        no("MemberExpression[object.property.name='currentScript']", 'IE 11 has no currentScript: test for it'),
        no("AssignmentExpression[left.property.name='innerHTML']", 'text is what belongs on a page: textContent'),
      ],
    },
  },
];
