window.a = window.b.values().map(function (x) { return x; });
