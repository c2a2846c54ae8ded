window.a = [].concat(...window.b);
