window.a = /x/y;
