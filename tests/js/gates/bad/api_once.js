document.addEventListener('click', function () {}, { once: true });
