var a = 1; window.a = { a };
