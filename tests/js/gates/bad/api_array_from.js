window.a = Array.from(document.querySelectorAll('a'));
