window.a = document.body.matches('a');
