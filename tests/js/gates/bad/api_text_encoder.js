window.a = new TextEncoder().encode('x');
