"""One entry of the section `transfers` in params.yaml: who performs whose motion."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from motiontransfer.params import Section

Name = Annotated[str, Field(pattern=r"^\w[\w-]*$")]

_NO_TRUTH = "none"
_TRUTH_FOLDER = Path("data/truth")


class Transfer(Section):
    """A source video, who is in it, and the target who performs its motion."""

    source: Name
    source_subject: Name
    target: Name
    truth: str

    @property
    def truth_path(self) -> Path | None:
        """The clip of the target really doing it; None where nobody filmed that."""
        return None if self.truth == _NO_TRUTH else _TRUTH_FOLDER / self.truth
