"""Flask-JWT-Extended: a page that keeps a bearer token, and no session cookie.

A browser sends no Authorization header on a handshake, so the loader is not ambient: preauth reads
the header, and the ticket carries the user from there. In the page:

    new WSGuard("/updates", {headers: function () { return {Authorization: "Bearer " + jwt}; }})
"""

from flask import Flask, jsonify
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import JWTExtendedException
from flask_sock import Sock
from jwt.exceptions import PyJWTError

from flask_wsguard import Identity, WSGuard, current_ticket, ws_protected

app = Flask(__name__)
app.config["SECRET_KEY"] = "an example's key, at least 32 letters long"
app.config["JWT_TOKEN_LOCATION"] = ["headers"]
jwt = JWTManager(app)
guard = WSGuard(app)
sock = Sock(app)
REVOKED: set[str] = set()


@jwt.token_in_blocklist_loader
def is_revoked(header, payload):
    return payload["jti"] in REVOKED


@guard.identity_loader(ambient=False)
def bearer(request):
    try:
        verify_jwt_in_request(optional=True)
    except (JWTExtendedException, PyJWTError):  # expired, revoked or forged: nobody
        return None
    user_id = get_jwt_identity()
    return Identity(id=user_id, user=user_id) if user_id else None


@app.post("/login/<user_id>")
def log_in(user_id: str):
    return jsonify(access_token=create_access_token(user_id))


@app.post("/logout")
@jwt_required()
def log_out() -> str:
    REVOKED.add(get_jwt()["jti"])  # first, so that a reconnect is refused
    guard.disconnect(user_id=get_jwt_identity(), reason="logged_out")
    return "bye"


@sock.route("/updates")
@ws_protected
def updates(ws):
    ws.send(current_ticket.user_id)
