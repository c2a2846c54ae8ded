document.body.classList.toggle('a', true);
