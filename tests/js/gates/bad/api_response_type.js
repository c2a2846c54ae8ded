var x = new XMLHttpRequest(); x.open('GET', '/'); x.responseType = 'json';
