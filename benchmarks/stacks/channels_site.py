"""Django Channels: sessions and users in SQLite, as a new project has them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import django
from django.conf import settings

from . import PROTECTED, SECRET, SESSION, USER

settings.configure(
    SECRET_KEY=SECRET,
    ALLOWED_HOSTS=["localhost"],
    INSTALLED_APPS=[
        *("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"),
        "channels",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(os.environ["STACK_FOLDER"], "channels.db"),
        }
    },
    USE_TZ=True,
)
django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.contrib import auth  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402


class Bare(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()


class OfUser(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        if self.scope["user"].is_authenticated:
            await self.accept()
        else:
            await self.close()


def log_in() -> None:
    """Make the tables, the user and the session."""
    call_command("migrate", verbosity=0)
    user = auth.get_user_model().objects.create_user("alice", pk=int(USER))
    content = {
        auth.SESSION_KEY: USER,
        auth.BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        auth.HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    Session.objects.create(
        session_key=SESSION,
        session_data=SessionStore().encode(content),
        expire_date=timezone.now() + timedelta(days=1),
    )


log_in()
routes: Any = URLRouter([path("echo", (OfUser if PROTECTED else Bare).as_asgi())])
if PROTECTED:
    routes = AllowedHostsOriginValidator(AuthMiddlewareStack(routes))
application = ProtocolTypeRouter({"websocket": routes})
