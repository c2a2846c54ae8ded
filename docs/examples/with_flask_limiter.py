"""Flask-Limiter: so many tickets a minute; the client waits as long as Retry-After says."""

from flask import Flask, render_template_string
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, login_user
from flask_sock import Sock

from flask_wsguard import WSGuard, ws_protected

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
guard = WSGuard(app)
sock = Sock(app)
limiter = Limiter(
    get_remote_address,
    app=app,
    storage_uri="memory://",  # per process; redis://... with several
    headers_enabled=True,  # Retry-After
)
limiter.limit("10 per minute")(guard.blueprint)  # preauth; files of /static are not counted


class User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


LoginManager(app).user_loader(User)


@app.post("/login/<user_id>")
def log_in(user_id: str) -> str:
    login_user(User(user_id))
    return "welcome"


@app.get("/page")
def page() -> str:
    return render_template_string("<!doctype html>{{ wsguard_script() }}")


@sock.route("/updates")
@ws_protected
def updates(ws):
    ws.send("hello")
    ws.receive()
