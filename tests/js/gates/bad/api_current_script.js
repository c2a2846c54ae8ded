window.a = document.currentScript.src;
