"""Files of a git revision or DVC experiment, without touching the workspace.

Hides DVC's file system, which reads git's files from git and DVC's from its cache.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import yaml
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexDirError
from scmrepo.exceptions import SCMError

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.storage import replacing

WORKSPACE = "workspace"
"""Name, as in DVC's own commands, of the files as they lie there."""

_SHORT_HASH = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionFacts:
    """What is known of a revision."""

    name: str
    """What it was asked for by."""

    commit: str
    """Its commit's hash, shortened; empty for the workspace."""

    message: str
    """First line of its commit's message; empty for the workspace."""


class Revision:
    """Reads files as they were at a revision."""

    def __init__(self, root: Path, name: str) -> None:
        """Find the revision.

        Args:
            root: the project's.
            name: whatever git knows (a tag, a branch, a hash), an experiment, or `workspace`.

        Raises:
            ParamsError: there is no such revision, or no git.
        """
        self.name = name
        try:
            wanted = None if name == WORKSPACE else name
            self._files = DVCFileSystem(str(root), rev=wanted)
            self.facts = self._facts(wanted)
        except (DvcException, SCMError) as error:
            raise ParamsError(
                f"revision {name!r}: {error}; expected a commit, branch, tag, experiment or "
                f"`{WORKSPACE}`"
            ) from error

    def has(self, path: Path) -> bool:
        """Whether the revision knows the file, be it in the cache or not."""
        return self._files.exists(path.as_posix())

    def read(self, path: Path) -> bytes:
        """Read a file.

        Raises:
            MissingFileError: the revision does not know it, or it is not in DVC's cache.
        """
        if not self.has(path) and not any(self._is_dvcs(folder) for folder in path.parents):
            raise MissingFileError(
                f"{path}: not in revision {self.name!r}; run `dvc repro` there and commit, or name "
                "another revision"
            )
        try:
            return self._files.read_bytes(path.as_posix())
        except (OSError, DvcException, DataIndexDirError) as error:
            raise MissingFileError(
                f"{path} of revision {self.name!r}: not in DVC's cache; `dvc fetch --all-commits` "
                "gets it from the remote if it was pushed, else run that revision again"
            ) from error

    def _is_dvcs(self, folder: Path) -> bool:
        """Whether DVC keeps the folder as a whole; what is in it is known only from the cache."""
        try:
            return self._files.isdvc(folder.as_posix())
        except FileNotFoundError:
            return False

    def read_json(self, path: Path) -> dict[str, object]:
        """Read a metrics file.

        Raises:
            MissingFileError: as `read`.
        """
        return json.loads(self.read(path))

    def read_params(self) -> dict[str, object]:
        """Read params.yaml.

        Raises:
            MissingFileError: as `read`.
        """
        return yaml.safe_load(self.read(Path("params.yaml")))

    def copy(self, path: Path, to: Path) -> Path:
        """Copy a file to where it can be opened, and return that place.

        Raises:
            MissingFileError: as `read`.
        """
        with replacing(to) as temporary:
            temporary.write_bytes(self.read(path))
        return to

    def _facts(self, wanted: str | None) -> RevisionFacts:
        repository = self._files.repo
        if wanted is None:
            return RevisionFacts(name=self.name, commit="", message="")
        commit = repository.get_rev()
        message = repository.scm.resolve_commit(commit).message.strip()
        return RevisionFacts(
            name=self.name,
            commit=commit[:_SHORT_HASH],
            message=message.splitlines()[0] if message else "",
        )
