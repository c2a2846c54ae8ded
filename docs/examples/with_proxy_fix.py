"""ProxyFix: behind a proxy that ends TLS, the app must learn what the browser asked for."""

from flask import Flask
from flask_login import LoginManager, UserMixin, login_user
from flask_sock import Sock
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_wsguard import WSGuard, ws_protected

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
WSGuard(app)
# Below the guard. As many as there are proxies of your own, only headers that they set themselves.
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)
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
    ws.receive()
