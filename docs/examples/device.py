"""A device or script: log in once, open a socket, open it again when it ends."""

import requests
from websocket import WebSocketConnectionClosedException

from flask_wsguard.client import ConnectionRefused, SocketOpener


def listen(site, user, heard):
    with requests.Session() as session:
        session.post(f"{site}/login/{user}").raise_for_status()
        opener = SocketOpener(session)
        while True:
            try:
                receive(opener.open(f"{site}/write"), heard)
            except WebSocketConnectionClosedException:
                continue  # a new ticket for each connect
            except ConnectionRefused as refused:
                return refused.reason  # log in again, or give up


def receive(socket, heard):
    try:
        while message := socket.recv():  # "" once the site has closed it
            heard(message)
    finally:
        socket.shutdown()  # websocket-client's close() leaves a closed one's descriptor open
