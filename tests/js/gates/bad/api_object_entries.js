window.a = Object.entries(window.b);
