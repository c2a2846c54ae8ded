"""Flask-Login: close a user's sockets when the account is deactivated or its password changes.

A session of Flask's cannot be taken back, so whoever has the old password's session would come back
at once. What sessions hold is therefore an id that changes with the password (Flask-Login's manual
calls it an alternative token), and the sockets to close are those of the *old* id.
"""

import secrets

from flask import Flask, request
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_sock import Sock
from werkzeug.security import check_password_hash, generate_password_hash

from flask_wsguard import WSGuard, ws_protected


class User(UserMixin):
    def __init__(self, password: str) -> None:
        self.active = True
        self.set_password(password)

    def set_password(self, password: str) -> None:
        self.password_hash = generate_password_hash(password)
        self.session_id = secrets.token_urlsafe()

    def get_id(self) -> str:
        return self.session_id

    @property
    def is_active(self) -> bool:
        return self.active


USERS = {"alice": User("correct horse"), "bob": User("battery staple")}

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
guard = WSGuard(app)
sock = Sock(app)
logins = LoginManager(app)


@logins.user_loader
def load_user(session_id: str) -> User | None:
    return next((user for user in USERS.values() if user.get_id() == session_id), None)


@app.post("/login/<name>")
def log_in(name: str):
    user = USERS[name]
    if not check_password_hash(user.password_hash, request.form["password"]):
        return "wrong password", 403
    login_user(user)
    return "welcome"


@app.post("/password")
@login_required
def change_password() -> str:
    user, old_id = current_user._get_current_object(), current_user.get_id()
    user.set_password(request.form["password"])  # first, so that a reconnect is refused
    guard.disconnect(user_id=old_id, reason="password_changed")
    login_user(user)  # this browser goes on, under the new id
    return "done"


@app.post("/deactivate/<name>")
def deactivate(name: str) -> str:
    user = USERS[name]
    user.active = False  # first, so that a reconnect is refused
    guard.disconnect(user_id=user.get_id(), reason="deactivated")
    return "done"


@sock.route("/updates")
@ws_protected
def updates(ws):
    ws.receive()
