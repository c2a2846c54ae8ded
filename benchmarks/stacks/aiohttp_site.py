"""aiohttp: a JWT in the query, verified before the upgrade. It knows no check of Origin."""

from __future__ import annotations

import socket
import sys

import jwt
from aiohttp import web

from . import PROTECTED, SECRET


async def echo(request: web.Request) -> web.WebSocketResponse:
    if PROTECTED:
        try:
            token = request.query.get("token", "")
            jwt.decode(token, SECRET, ["HS256"], options={"require": ["exp", "sub"]})
        except jwt.InvalidTokenError:
            raise web.HTTPForbidden from None
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for _ in ws:
        pass
    return ws


def main() -> None:
    app = web.Application()
    app.router.add_get("/echo", echo)
    web.run_app(app, sock=socket.socket(fileno=int(sys.argv[1])), access_log=None, print=None)


if __name__ == "__main__":
    main()
