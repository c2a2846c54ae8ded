window.a = Number.isInteger(window.b);
