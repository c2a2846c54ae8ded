document.body.innerHTML = window.a;
