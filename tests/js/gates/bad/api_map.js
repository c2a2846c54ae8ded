window.a = new Set([1]);
