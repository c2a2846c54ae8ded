window.a = location.origin;
