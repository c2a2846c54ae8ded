from logging.config import dictConfig

dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"tokens": {"()": "flask_wsguard.redaction.TokenFilter"}},
        "handlers": {
            "requests": {
                "class": "logging.FileHandler",
                "filename": "requests.log",
                "delay": True,
                "filters": ["tokens"],
            }
        },
        "loggers": {"requests": {"handlers": ["requests"], "level": "INFO"}},
    }
)
