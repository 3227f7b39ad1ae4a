"""The error family: every fault a user or their data can cause derives from `MotionTransferError`.

Each class is also the builtin error it refines, so callers may catch either. The message says what
went wrong, what was expected, what was found, where, and what to do. Entry points print it as one
line and exit non-zero.
"""

import re
from pathlib import Path

PARAMS_FILE = Path("params.yaml")
FILMS_FILE = Path("films.yaml")


class MotionTransferError(Exception):
    """Base of all errors that a user, their data or their machine can cause."""


class ParamsError(MotionTransferError, ValueError):
    """A value in params.yaml or films.yaml is wrong; the message starts with file and YAML key."""


class VideoError(MotionTransferError, ValueError):
    """A video cannot be read, decoded or written; the message names file, frame and cause."""


class KeypointsError(MotionTransferError, ValueError):
    """A keypoints table is malformed, or a requested joint or track is not in it."""


class DamagedFileError(MotionTransferError, ValueError):
    """A file of the pipeline is corrupt; the message says how to restore it."""


class StatisticsError(MotionTransferError, ValueError):
    """Pose statistics cannot be fitted or applied."""


class WeightsError(MotionTransferError, ValueError):
    """A weights file is missing something or does not fit the network."""


class CheckpointError(MotionTransferError, RuntimeError):
    """A checkpoint cannot be resumed, or another process holds it."""


class TrainingError(MotionTransferError, RuntimeError):
    """Training cannot go on: a loss is not finite, or there is nothing to train on."""


class ComputeError(MotionTransferError, RuntimeError):
    """Workers are not available, or one was killed."""


class ChangedInputError(MotionTransferError, RuntimeError):
    """A param that a stage depends on was edited while the stage ran."""


class MissingFileError(MotionTransferError, FileNotFoundError):
    """A file that a stage needs is not there."""


class MissingLibraryError(MotionTransferError, ImportError):
    """A library is missing; the message names the package that has it, or what installs it."""


class DisplayError(MotionTransferError, RuntimeError):
    """No window can be opened on this machine."""


class ProvenanceError(MotionTransferError, ValueError):
    """A video cannot be signed, or its manifest cannot be read."""


class RemoteError(MotionTransferError, OSError):
    """The remote cannot be used, or an object on it is missing or damaged."""


class GitError(MotionTransferError, RuntimeError):
    """git is not installed, or fails; the message is git's own, with its remedy."""


def one_line(error: BaseException | str) -> str:
    """Its message in one line, without a terminal's colors, which DVC writes into its own."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())


def printable(text: str) -> str:
    """One line without control characters, which a terminal would obey: each becomes `?`."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
