"""Flask-Principal: what a user may do is said once, for pages as needs, for sockets as scopes."""

from flask import Flask
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_principal import Identity, Permission, Principal, RoleNeed, identity_loaded
from flask_sock import Sock

from flask_wsguard import WSGuard, current_ticket, ws_protected

ROLES = {"alice": {"editor", "reader"}, "bob": {"reader"}}

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
guard = WSGuard(app)
sock = Sock(app)
principals = Principal(app, use_sessions=False)


class User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


LoginManager(app).user_loader(User)


@guard.scopes_loader
def scopes(user):  # from the user, not from g.identity: an open socket has no request
    return ROLES[user.id]


@principals.identity_loader
def identity():
    return Identity(current_user.get_id())


@identity_loaded.connect_via(app)
def provide_needs(sender, identity):
    if current_user.is_authenticated:
        identity.provides |= {RoleNeed(scope) for scope in scopes(current_user)}


@app.post("/login/<user_id>")
def log_in(user_id: str) -> str:
    login_user(User(user_id))
    return "welcome"


@app.get("/edit")
@Permission(RoleNeed("editor")).require(403)
def edit() -> str:
    return "edit"


@sock.route("/edits")
@ws_protected(scopes="editor")
def edits(ws):
    ws.send(" ".join(sorted(current_ticket.scopes)))
