"""Flask-SQLAlchemy: a handler that runs for hours gives its connection back before it waits."""

import os

from flask import Flask, jsonify
from flask_login import LoginManager, UserMixin, login_user
from flask_sock import Sock
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import func, select

from flask_wsguard import WSGuard, current_ticket, ws_protected

app = Flask(__name__)
app.config.update(
    SECRET_KEY="an example's key, at least 32 letters long",
    SQLALCHEMY_DATABASE_URI=os.environ.get("DATABASE_URI", "sqlite:///site.db"),
    SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 2, "max_overflow": 0, "pool_timeout": 1},
)
db = SQLAlchemy(app)
WSGuard(app)
sock = Sock(app)


class User(UserMixin, db.Model):
    id = db.Column(db.String, primary_key=True)


class Letter(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    to = db.Column(db.String, index=True)


LoginManager(app).user_loader(lambda user_id: db.session.get(User, user_id))


@app.post("/login/<user_id>")
def log_in(user_id: str) -> str:
    login_user(db.session.get(User, user_id))
    return "welcome"


@app.get("/pool")
def pool():
    return jsonify(in_use=db.engine.pool.checkedout())


def unread(user_id: str) -> int:
    return db.session.scalar(select(func.count()).where(Letter.to == user_id))


@sock.route("/inbox")
@ws_protected
def inbox(ws):
    user_id = current_ticket.user_id  # loads nobody; current_user would ask the database
    while True:
        count = unread(user_id)
        db.session.remove()  # before every wait: the session holds a connection until then
        ws.send(str(count))
        ws.receive()


with app.app_context():
    db.create_all()
    db.session.merge(User(id="alice"))
    db.session.merge(Letter(id=1, to="alice"))
    db.session.commit()
