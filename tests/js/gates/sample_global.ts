// A page that loads the script by its tag has the global.
const ticker = new WSGuard('/ticker');
ticker.onopen = (e) => e.target.close();
