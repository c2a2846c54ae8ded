window.a = Object.assign({}, window.b);
