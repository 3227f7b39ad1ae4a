"""Run one stage: `python -m stages decode demo_dance`."""

import signal
import sys

from motiontransfer.core.stage_runner import run

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # temporary files go, as by Ctrl-C
    sys.exit(run("stages", sys.argv[1:]))
