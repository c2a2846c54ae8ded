var updates = new WSGuard('wss://live.example.org/updates');
