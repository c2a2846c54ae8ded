window.a = window.b.find(function (x) { return x; });
