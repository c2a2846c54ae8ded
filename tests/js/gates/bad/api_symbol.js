window.a = Symbol('x');
