window.a = new URLSearchParams('a=b');
