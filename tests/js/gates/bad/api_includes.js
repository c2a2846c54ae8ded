window.a = 'abc'.includes('b');
