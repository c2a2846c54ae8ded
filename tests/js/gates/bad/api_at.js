window.a = window.b.at(-1);
