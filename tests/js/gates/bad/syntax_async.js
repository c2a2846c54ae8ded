async function a() { await window.b; }
