document.body.firstChild.remove();
