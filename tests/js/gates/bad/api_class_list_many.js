document.body.classList.add('a', 'b');
