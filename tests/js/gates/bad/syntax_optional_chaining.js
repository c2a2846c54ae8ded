window.a = window.b?.c;
