window.a = `x`;
