"""Flask-Login: close a user's sockets when the account is deactivated or its password changes."""

from flask import Flask
from flask_login import LoginManager, UserMixin, login_user
from flask_sock import Sock

from flask_wsguard import WSGuard, ws_protected


class User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id
        self.active = True

    @property
    def is_active(self) -> bool:
        return self.active


USERS = {"alice": User("alice"), "bob": User("bob")}

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
guard = WSGuard(app)
sock = Sock(app)
LoginManager(app).user_loader(USERS.get)


@app.post("/login/<user_id>")
def log_in(user_id: str) -> str:
    login_user(USERS[user_id])
    return "welcome"


@app.post("/deactivate/<user_id>")
def deactivate(user_id: str) -> str:
    USERS[user_id].active = False  # first, so that a reconnect is refused
    guard.disconnect(user_id=user_id, reason="deactivated")
    return "done"


@sock.route("/updates")
@ws_protected
def updates(ws):
    ws.receive()
