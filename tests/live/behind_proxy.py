"""The site behind nginx: one trusted hop of headers, a shared store, each token once."""

import os

from werkzeug.middleware.proxy_fix import ProxyFix

from tests.sites import make_site

app = make_site(
    WSGUARD_STORAGE_URI=os.environ["STORE"],
    WSGUARD_SINGLE_USE=True,
    WSGUARD_MAX_CONNECTIONS_PER_USER=100,
    TRUSTED_HOSTS=[os.environ["TRUSTED"]],
    SOCK_SERVER_OPTIONS={"ping_interval": 25, "max_message_size": 65536},
)
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]


@app.post("/disconnect/<user>")
def disconnect(user: str) -> str:
    return str(app.extensions["test_guard"].disconnect(user_id=user))
