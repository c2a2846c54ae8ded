document.dispatchEvent(new Event('x'));
