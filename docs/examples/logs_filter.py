import logging

from flask_wsguard.redaction import TokenFilter

handler = logging.FileHandler("requests.log", delay=True)
handler.addFilter(TokenFilter())
