"""FastAPI: a JWT in the query, verified before the accept. It knows no check of Origin."""

from __future__ import annotations

import jwt
from fastapi import FastAPI, WebSocket, WebSocketDisconnect, WebSocketException, status

from . import PROTECTED, SECRET

app = FastAPI()


@app.websocket("/echo")
async def echo(websocket: WebSocket, token: str = "") -> None:
    if PROTECTED:
        try:
            jwt.decode(token, SECRET, ["HS256"], options={"require": ["exp", "sub"]})
        except jwt.InvalidTokenError:
            raise WebSocketException(status.WS_1008_POLICY_VIOLATION) from None
    await websocket.accept()
    try:
        await websocket.receive_text()
    except WebSocketDisconnect:
        pass
