from flask import Blueprint, Flask
from flask_login import LoginManager, UserMixin
from flask_sock import Sock

from flask_wsguard import WSGuard, current_ticket, ws_protected

logins, sock, guard = LoginManager(), Sock(), WSGuard()
chat = Blueprint("chat", __name__, url_prefix="/chat")


class User(UserMixin):
    def __init__(self, user_id):
        self.id = user_id
        self.scopes = ["chat:read"]


logins.user_loader(User)


@guard.scopes_loader
def scopes(user):
    return user.scopes


@sock.route("/<room>", bp=chat)  # in the page: new WSGuard('/chat/lobby')
@ws_protected(scopes="chat:read")
def talk(ws, room):
    ws.send(f"{current_ticket.user_id} is in {room}")
    ws.receive()


def create_app(**config):
    app = Flask(__name__)
    app.config.update(config)  # SECRET_KEY, and all WSGUARD_* that you set
    app.register_blueprint(chat)
    for extension in (logins, sock, guard):
        extension.init_app(app)
    return app
