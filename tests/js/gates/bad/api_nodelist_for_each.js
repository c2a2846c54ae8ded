document.querySelectorAll('a').forEach(function (a) { a.focus(); });
