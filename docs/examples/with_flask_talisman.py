"""Flask-Talisman: a Content-Security-Policy with a nonce, and the client's tag carries it."""

from flask import Flask, render_template_string
from flask_login import LoginManager, UserMixin, login_user
from flask_sock import Sock
from flask_talisman import Talisman

from flask_wsguard import WSGuard, ws_protected

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
Talisman(
    app,
    # connect-src: Safari before 15.4 does not take 'self' for wss.
    content_security_policy={
        "default-src": "'self'",
        "script-src": "'strict-dynamic'",
        "connect-src": ["'self'", "wss://example.org"],
    },
    content_security_policy_nonce_in=["script-src"],
)
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


@app.get("/")
def page() -> str:
    return render_template_string("<!doctype html>{{ wsguard_script(nonce=csp_nonce()) }}")


@sock.route("/updates")
@ws_protected
def updates(ws):
    ws.receive()
