/* phantomjs phantom.js URL: goes through flow.js and prints what it tells. */
var page = require('webpage').create(), system = require('system'), fs = require('fs');
var flow = fs.read(fs.absolute(system.args[0]).replace(/[^\/]*$/, 'flow.js'));

page.onError = function (message) { console.log('PAGE ' + message); };
page.open(system.args[1], function () {
  var patience = 600;
  var timer = setInterval(function () {
    var told = page.evaluateJavaScript('function () {' + flow + ' return step(); }');
    if (told || !patience--) {
      clearInterval(timer);
      console.log('OUT ' + (told || '{}'));
      phantom.exit(0);
    }
  }, 50);
});
