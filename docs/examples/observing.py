"""A site that had sockets before it had the guard. WSGUARD_OBSERVE=1 lets refusals through."""

import os
from collections import Counter

from flask import Flask
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_sock import Sock

from flask_wsguard import WSGuard, handshake_refused, ws_protected


class User(UserMixin):
    def __init__(self, user_id):
        self.id = user_id


app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
app.config["WSGUARD_ENFORCE"] = "WSGUARD_OBSERVE" not in os.environ
LoginManager(app).user_loader(User)
guard = WSGuard(app)
sock = Sock(app)
would_refuse = Counter()


@handshake_refused.connect_via(app)
def count(app, reason, **facts):
    would_refuse[reason] += 1


@app.post("/login/<user_id>")
def log_in(user_id):
    login_user(User(user_id))
    return "welcome"


@sock.route("/old")
def old(ws):
    ws.send(f"hello {current_user.get_id()}")


@sock.route("/new")
@ws_protected
def new(ws):
    ws.send(f"hello {current_user.get_id()}")
