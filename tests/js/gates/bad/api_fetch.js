fetch('/x');
