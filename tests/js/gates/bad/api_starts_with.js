window.a = window.b.startsWith('b');
