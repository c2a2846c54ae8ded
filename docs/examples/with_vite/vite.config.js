const flask = process.env.FLASK || 'http://localhost:5000';
// Written as objects: the short form `'/wsguard': flask` means changeOrigin: true.
const changeOrigin = Boolean(process.env.CHANGE_ORIGIN);

export default {
  server: {
    proxy: {
      '/login': { target: flask, changeOrigin },
      '/wsguard': { target: flask, changeOrigin },
      '/updates': { target: flask, changeOrigin, ws: true },
    },
  },
};
