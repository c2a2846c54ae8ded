window.a = function (b = 1) { return b; };
