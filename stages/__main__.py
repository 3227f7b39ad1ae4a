"""Run one stage: `python -m stages decode demo_dance`."""

import sys

from motiontransfer.stage_runner import run

if __name__ == "__main__":
    sys.exit(run("stages", sys.argv[1:]))
