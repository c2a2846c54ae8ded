import logging

from gevent.pywsgi import WSGIServer


def make_server(app, address=("", 8000)):
    log = logging.getLogger("gevent.pywsgi")
    return WSGIServer(address, app, log=log, error_log=log)
