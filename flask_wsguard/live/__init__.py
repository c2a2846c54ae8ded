"""Sockets that are open: who holds them, when they must close, and closing them without waiting."""
