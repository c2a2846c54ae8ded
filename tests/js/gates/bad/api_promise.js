new Promise(function (done) { done(); });
