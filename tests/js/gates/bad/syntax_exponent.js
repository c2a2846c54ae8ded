window.a = 2 ** 3;
