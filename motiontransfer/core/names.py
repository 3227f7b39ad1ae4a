"""Names of entries of films.yaml, made of any text, such as the name of a file.

A name is part of stages, paths and YAML, which DVC reads as version 1.2 and stages as 1.1.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import count

_MOST_BYTES = 48  # two of them, each with a prefix and a number, are a transfer's name
_NAMELESS = "film"
_NOT_TEXT = re.compile(
    r"[0-9][0-9a-fox_+-]*"  # a number or a date
    r"|y|n|yes|no|on|off|true|false|null",
    re.IGNORECASE,
)
CASE_ONLY = "{!r} and {!r} differ in case only, and are one file on macOS and Windows; rename one"
_DEVICE = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]", re.IGNORECASE)


def is_plain(name: str) -> bool:
    """Whether both versions of YAML read a name as text, and a file may have it anywhere."""
    return not (_NOT_TEXT.fullmatch(name) or is_device(name))


def is_device(name: str) -> bool:
    """Whether Windows has a device of this name, so that no file can have it there."""
    return _DEVICE.fullmatch(name) is not None


def valid_name(text: str) -> str:
    """The name that is like a text: its letters and digits of any script, with `_` between."""
    kept = "".join(
        sign if sign in "_-" or sign.isdecimal() or unicodedata.category(sign)[0] in "LM" else "\0"
        for sign in unicodedata.normalize("NFKC", text)
    )
    words = re.sub(r"^[^\w-]+|\0[^\w-]*", "_", kept)  # marks go with the sign that bears them
    cut = words.strip("_-").encode()[:_MOST_BYTES].decode(errors="ignore")
    name = cut.rstrip("_-") or _NAMELESS
    return name if is_plain(name) else f"{_NAMELESS}_{name}"


def free_name(name: str, taken: Iterable[str]) -> str:
    """A name, with a number where it is taken, in whatever case."""
    known = {folded(each) for each in taken}
    names = (f"{name}_{number}" if number else name for number in count())
    return next(each for each in names if folded(each) not in known)


def folded(name: str) -> str:
    """What is the same for names that macOS and Windows take for one file."""
    return unicodedata.normalize("NFKC", name).casefold()
