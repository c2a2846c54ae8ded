try { window.a(); } catch { window.b(); }
