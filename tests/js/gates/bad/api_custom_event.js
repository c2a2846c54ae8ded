document.dispatchEvent(new CustomEvent('x'));
