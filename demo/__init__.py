"""A small Flask site that uses flask_wsguard: ``make demo`` runs it."""

from .site import create_app

__all__ = ["create_app"]
