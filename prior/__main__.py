"""Make one part of the prior, in this folder: `python -m prior film 7`."""

import sys

from motiontransfer.stage_runner import run

if __name__ == "__main__":
    sys.exit(run("prior", sys.argv[1:]))
