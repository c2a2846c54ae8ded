"""gunicorn under libfaketime, which breaks one call that Python sleeps with.

libfaketime 0.9.10 answers ``clock_nanosleep`` on the monotonic clock with EINVAL when that clock
is left alone; a ``select`` without descriptors sleeps as well.
"""

from __future__ import annotations

import select
import time

from gunicorn.app.wsgiapp import run

if __name__ == "__main__":
    time.sleep = lambda seconds: select.select([], [], [], seconds) and None
    run()
