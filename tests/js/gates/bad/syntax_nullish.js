window.a = window.b ?? 1;
