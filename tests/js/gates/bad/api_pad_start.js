window.a = window.b.padStart(2, '0');
