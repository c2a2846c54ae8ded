from flask import Flask, redirect, render_template, request
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_sock import Sock

from flask_wsguard import WSGuard, current_ticket, ws_protected


class User(UserMixin):
    def __init__(self, user_id):
        self.id = user_id


app = Flask(__name__)
app.config["SECRET_KEY"] = "change me: at least 32 random bytes"
app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": 25, "max_message_size": 65536}
LoginManager(app).user_loader(User)
guard = WSGuard(app)
sock = Sock(app)


@sock.route("/echo")
@ws_protected
def echo(ws):
    ws.send(f"hello {current_ticket.user_id}")
    while True:
        ws.send(ws.receive())


@app.get("/")
def index():
    return render_template("index.html", user=current_user)


@app.post("/login")
def login():
    login_user(User(request.form["name"]))  # your own check of a password goes here
    return redirect("/")


@app.post("/logout")
def logout():
    logout_user()
    return redirect("/")
