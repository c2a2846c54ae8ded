window.a = crypto.randomUUID();
