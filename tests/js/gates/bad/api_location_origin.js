window.a = window.location.origin;
