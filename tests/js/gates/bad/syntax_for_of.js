for (var a of window.b) { a(); }
