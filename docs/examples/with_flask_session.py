"""Flask-Session on Redis: the guard reads the session there, and shares the server."""

import os

from flask import Flask
from flask_login import LoginManager, UserMixin, login_user, logout_user
from flask_session import Session
from flask_sock import Sock
from redis import Redis

from flask_wsguard import WSGuard, ws_protected

REDIS = os.environ.get("REDIS_URL", "redis://localhost:6379/0")

app = Flask(__name__)
app.config.update(
    SECRET_KEY="an example's key, at least 32 letters long",
    SESSION_TYPE="redis",
    SESSION_REDIS=Redis.from_url(REDIS),
    WSGUARD_STORAGE_URI=REDIS,  # a logout reaches the sockets of every process
)
Session(app)
WSGuard(app)
sock = Sock(app)


class User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


LoginManager(app).user_loader(User)


@app.post("/login/<user_id>")
def log_in(user_id: str) -> str:
    login_user(User(user_id))
    return "welcome"


@app.post("/logout")
def log_out() -> str:
    logout_user()
    return "bye"


@sock.route("/updates")
@ws_protected
def updates(ws):
    ws.send("hello")
    ws.receive()
