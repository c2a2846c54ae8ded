"""Flask-WTF: forms need a CSRF token, preauth does not; there is nothing to configure."""

from flask import Flask, render_template_string
from flask_login import LoginManager, UserMixin, login_user
from flask_sock import Sock
from flask_wtf.csrf import CSRFProtect

from flask_wsguard import WSGuard, ws_protected

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
WSGuard(app)
CSRFProtect(app)  # in front of WSGuard(app) or behind it
sock = Sock(app)


class User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


LoginManager(app).user_loader(User)


@app.get("/")
def form() -> str:
    return render_template_string("{{ csrf_token() }}")


@app.post("/login/<user_id>")
def log_in(user_id: str) -> str:
    login_user(User(user_id))
    return "welcome"


@sock.route("/updates")
@ws_protected
def updates(ws):
    ws.receive()
