"""Run one stage: `python -m stages decode demo_dance`."""

import signal
import sys

from motiontransfer.pipeline.stage_server import run_by_server

if __name__ == "__main__":
    status = run_by_server(sys.argv[1:])
    if status is None:
        from motiontransfer.core.stage_runner import run

        # Temporary files go by SIGTERM, too. In the background a script's programs ignore SIGINT.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        status = run("stages", sys.argv[1:])
    sys.exit(status)
