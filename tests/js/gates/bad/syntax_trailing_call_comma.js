window.a(1, 2,);
