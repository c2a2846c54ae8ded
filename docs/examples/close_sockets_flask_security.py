"""Flask-Security: the same. A user's id there is the fs_uniquifier, and a new password is a new id.

So the sockets to close are those of the *old* id, and its `password_changed` comes too late to
know it: the model's own event does.
"""

from flask import Flask, g, has_app_context
from flask_security import Security, SQLAlchemyUserDatastore, hash_password
from flask_security.models import fsqla_v3 as fsqla
from flask_sock import Sock
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

from flask_wsguard import WSGuard, ws_protected

app = Flask(__name__)
app.config.update(
    SECRET_KEY="an example's key, at least 32 letters long",
    SECURITY_PASSWORD_SALT="a salt of the example, 32 letters",
    SECURITY_CHANGEABLE=True,
    SECURITY_SEND_PASSWORD_CHANGE_EMAIL=False,
    SECURITY_EMAIL_VALIDATOR_ARGS={"check_deliverability": False},
    SQLALCHEMY_DATABASE_URI="sqlite://",
    WTF_CSRF_ENABLED=False,
)
db = SQLAlchemy(app)
fsqla.FsModels.set_db_info(db)


class Role(db.Model, fsqla.FsRoleMixin):
    pass


class User(db.Model, fsqla.FsUserMixin):
    pass


datastore = SQLAlchemyUserDatastore(db, User, Role)
security = Security(app, datastore)
guard = WSGuard(app)
sock = Sock(app)


@event.listens_for(User.fs_uniquifier, "set", active_history=True)
def remember_old_id(user, new, old, initiator):
    if isinstance(old, str) and has_app_context():
        g.setdefault("old_ids", []).append(old)


@app.after_request
def close_sockets_of_old_ids(response):  # runs behind Flask-Security's own commit
    for user_id in g.pop("old_ids", ()):
        guard.disconnect(user_id=user_id, reason="password_changed")
    return response


@app.post("/deactivate/<email>")
def deactivate(email: str) -> str:
    user = datastore.find_user(email=email)
    datastore.deactivate_user(user)
    datastore.commit()  # first, so that a reconnect is refused
    guard.disconnect(user_id=user.get_id(), reason="deactivated")
    return "done"


@sock.route("/updates")
@ws_protected
def updates(ws):
    ws.receive()


with app.app_context():
    db.create_all()
    datastore.create_user(email="alice@example.org", password=hash_password("correct horse"))
    datastore.commit()
