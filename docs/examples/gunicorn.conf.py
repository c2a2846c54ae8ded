from flask_wsguard.ops.gunicorn import *  # noqa: F403

worker_class = "gthread"
workers = 2
threads = 100
graceful_timeout = 20
