window.a = new URL('/x', document.baseURI);
