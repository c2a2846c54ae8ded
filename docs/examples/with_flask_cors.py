"""Flask-CORS: one list for the API and for the sockets; preauth writes its headers itself."""

from flask import Flask
from flask_cors import CORS
from flask_login import LoginManager, UserMixin, login_user
from flask_sock import Sock

from flask_wsguard import WSGuard, ws_protected

PAGES = ["https://app.example.org"]  # this app is https://api.example.org: the same site

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
app.config["WSGUARD_ALLOWED_ORIGINS"] = PAGES
CORS(app, origins=PAGES, supports_credentials=True)
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
    ws.receive()
