"""Tornado: its own check of Origin, and its signed cookie."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys

from tornado.httpserver import HTTPServer
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from . import PROTECTED, SECRET


class Bare(WebSocketHandler):
    def check_origin(self, origin: str) -> bool:
        return True


class OfUser(WebSocketHandler):
    async def get(self, *args: str, **kwargs: str) -> None:
        if self.get_signed_cookie("user") is None:
            self.send_error(403)
            return
        await super().get(*args, **kwargs)


async def main() -> None:
    logging.getLogger("tornado").setLevel(logging.ERROR)
    app = Application([("/echo", OfUser if PROTECTED else Bare)], cookie_secret=SECRET)
    listener = socket.socket(fileno=int(sys.argv[1]))
    listener.setblocking(False)
    HTTPServer(app).add_socket(listener)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
