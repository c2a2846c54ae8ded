"""Flask-SocketIO: its sockets are no Flask routes, so the guard is asked in `connect`.

The page's side is with_flask_socketio.js. gunicorn --worker-class gthread --threads 100.
"""

from flask import Flask, render_template_string
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    login_user,
    logout_user,
    user_logged_out,
)
from flask_socketio import ConnectionRefusedError, SocketIO, disconnect, emit, join_room

from flask_wsguard import HandshakeRefused, WSGuard, current_ticket

PATH = "/socket.io/"

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
guard = WSGuard(app)
guard.protect_path(PATH, scopes="chat")
# Long polling is plain HTTP, which no handshake check sees: leave it out.
socketio = SocketIO(app, async_mode="threading", transports=["websocket"])


class User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


LoginManager(app).user_loader(User)


@guard.scopes_loader
def scopes(user):
    return {"chat"}


@socketio.on("connect")  # every namespace that you use needs this
def connect():
    try:
        ticket = guard.verify_handshake(PATH)
    except HandshakeRefused as refused:
        raise ConnectionRefusedError(refused.reason.value) from None
    if ticket:  # WSGUARD_ENFORCE = False lets through what it would refuse, without a ticket
        join_room(f"user {ticket.user_id}")


@socketio.on("who")
def who():
    emit("who", current_ticket.user_id if current_ticket else current_user.get_id())


@user_logged_out.connect_via(app)
def close_sockets(sender, user):
    """Do what the guard does for its own routes: it holds no socket of socket.io's."""
    room = f"user {user.get_id()}"
    for sid, _ in list(socketio.server.manager.get_participants("/", room)):
        disconnect(sid, namespace="/")


@app.get("/")
def page() -> str:
    return render_template_string("<!doctype html>{{ wsguard_script() }}")


@app.post("/login/<user_id>")
def log_in(user_id: str) -> str:
    login_user(User(user_id))
    return "welcome"


@app.post("/logout")
def log_out() -> str:
    logout_user()
    return "bye"
