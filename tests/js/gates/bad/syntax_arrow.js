window.a = () => 1;
