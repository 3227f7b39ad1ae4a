"""The `motiontransfer` command, and `python -m motiontransfer`, which is the same."""

import signal


def main() -> None:
    """Load the commands and run one; Ctrl-C before all are loaded ends it without a traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # what a script starts in the background ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from motiontransfer.cli import app  # takes .3 s

    signal.signal(signal.SIGINT, before)
    app.main()


if __name__ == "__main__":
    main()
