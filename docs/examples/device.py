"""A device or script: log in once, open a socket, open it again when it ends."""

import random
import time

import requests
from websocket import WebSocketException

from flask_wsguard.client import ConnectionRefused, SocketOpener


def listen(site, user, heard):
    with requests.Session() as session:
        session.post(f"{site}/login/{user}").raise_for_status()
        opener = SocketOpener(session)
        while True:
            try:
                receive(opener.open(f"{site}/write"), heard)
            except (OSError, WebSocketException):
                pass  # the network or the site is away; what requests raises is an OSError too
            except ConnectionRefused as refused:
                return refused.reason  # log in again, or give up
            time.sleep(random.uniform(1, 5))  # so that not all come back at once


def receive(socket, heard):
    try:
        while message := socket.recv():  # "" once the site has closed it
            heard(message)
    finally:
        socket.shutdown()  # websocket-client's close() leaves a closed one's descriptor open
