"""Flask-Security: its login is Flask-Login's, its roles are scopes."""

from flask import Flask
from flask_security import Security, SQLAlchemyUserDatastore, hash_password
from flask_security.models import fsqla_v3 as fsqla
from flask_sock import Sock
from flask_sqlalchemy import SQLAlchemy

from flask_wsguard import WSGuard, current_ticket, ws_protected

app = Flask(__name__)
app.config.update(
    SECRET_KEY="an example's key, at least 32 letters long",
    SECURITY_PASSWORD_SALT="a salt of the example, 32 letters",
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


@guard.scopes_loader
def scopes(user):
    return {role.name for role in user.roles}


@sock.route("/reports")
@ws_protected(scopes="auditor")
def reports(ws):
    ws.send(" ".join(sorted(current_ticket.scopes)))


with app.app_context():
    db.create_all()
    auditor = datastore.create_role(name="auditor")
    for email, roles in {"alice@example.org": [auditor], "bob@example.org": []}.items():
        datastore.create_user(email=email, password=hash_password("correct horse"), roles=roles)
    datastore.commit()
