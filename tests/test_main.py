import signal
import sys

from tests.command import started

LOADING = """
import signal, sys
class Finder:
    def find_spec(name, path, target=None):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder)
signal.signal(signal.SIGINT, signal.default_int_handler)
from motiontransfer.__main__ import main
main()
"""


def test_ctrl_c_while_the_command_loads_ends_it_without_a_traceback():
    process = started(sys.executable, "-c", LOADING)
    output, _ = process.communicate(timeout=60)
    assert (output, process.returncode) == ("", -signal.SIGINT)
