"""The Flask side behind a Vite dev server; in development it needs nothing, see vite.config.js."""

import os

from flask import Flask
from flask_login import LoginManager, UserMixin, login_user
from flask_sock import Sock

from flask_wsguard import WSGuard, current_ticket, ws_protected

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
if page := os.environ.get("PAGE"):  # PAGE=http://localhost:5173, for changeOrigin
    app.config["WSGUARD_ALLOWED_ORIGINS"] = [page]
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


@sock.route("/updates")
@ws_protected
def updates(ws):
    ws.send(current_ticket.user_id)
    ws.receive()
