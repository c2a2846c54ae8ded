window.fetch('/x');
