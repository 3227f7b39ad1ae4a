"""Run one stage: `python -m stages decode demo_dance`."""

import signal
import sys

from motiontransfer.core.stage_runner import run

if __name__ == "__main__":
    # Temporary files go by SIGTERM, too. A script in the background has its programs ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(run("stages", sys.argv[1:]))
