"""A device or script: log in once, open a socket, open it again when it ends."""

from contextlib import closing

import requests
from websocket import WebSocketConnectionClosedException

from flask_wsguard.client import ConnectionRefused, SocketOpener


def listen(site, user, heard):
    with requests.Session() as session:
        session.post(f"{site}/login/{user}").raise_for_status()
        opener = SocketOpener(session)
        while True:
            try:
                with closing(opener.open(f"{site}/write")) as socket:
                    heard(socket.recv())
                    socket.recv()  # here until the site closes it
            except WebSocketConnectionClosedException:
                continue  # a new ticket for each connect
            except ConnectionRefused as refused:
                return refused.reason  # log in again, or give up
