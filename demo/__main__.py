"""Make one of the demo's clips: `python -m demo film target`."""

import sys

from motiontransfer.core.stage_runner import run

if __name__ == "__main__":
    sys.exit(run("demo", sys.argv[1:]))
