"""Machines of a team, each with a clone of one project, a home and caches of its own."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.command import isolated_environment
from tests.digests import digests
from tests.project.remotes import Remote


@dataclass(kw_only=True)
class Machine:
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "project"

    def run(self, *command: str, **environment: str):
        """Any command in the project; variables given as an empty text are unset."""
        variables = {**self.all_variables(), **environment}
        set_ones = {name: value for name, value in variables.items() if value}
        return subprocess.run(
            command, cwd=self.root, env=set_ones, stdin=subprocess.DEVNULL,
            capture_output=True, text=True,
        )  # fmt: skip

    def output(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def git(self, *arguments: str) -> str:
        return self.output("git", *arguments)

    def dvc(self, *arguments: str) -> str:
        return self.output("dvc", *arguments)

    def command(self, *arguments: str) -> str:
        return self.output("motiontransfer", *arguments)

    def error(self, *arguments: str, **environment: str) -> str:
        """The last line of a subcommand that fails, after those of DVC."""
        done = self.run("motiontransfer", *arguments, **environment)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        line = done.stderr.splitlines()[-1]
        assert line.startswith("ERROR: "), done.stderr
        return line.removeprefix("ERROR: ")

    def share(self, remote: Remote) -> str:
        self.environment.update(remote.environment)
        output = self.command("share", remote.url, *remote.options)
        self.commit("shared")
        return output

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def clone(self, folder: Path, *, environment: dict[str, str] | None = None) -> "Machine":
        """Another machine with a fresh clone, and none of this one's data."""
        theirs = dict(environment or self.environment)
        other = Machine(folder=folder, environment=theirs)
        here, there = self.root, other.root
        if (self.folder / ".git").exists():
            here, there = self.folder, other.folder
        self.git("clone", "--quiet", str(here), str(there))
        return other

    def put_git_above(self) -> None:
        """Make the project a folder of git's repository."""
        shutil.move(self.root / ".git", self.folder)
        (self.folder / ".gitignore").write_text("/*\n!/project/\n")
        self.commit("in a folder")

    def copy(self, folder: Path) -> "Machine":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Machine(folder=folder, environment=dict(self.environment))

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text, text
        path.write_text(text.replace(old, new))

    def files(self, *folders: str) -> dict[str, str]:
        """Digest by path of what is there in the working tree."""
        return {
            f"{folder}/{path}": digest
            for folder in folders
            for path, digest in digests(self.root / folder).items()
        }

    def all_variables(self) -> dict[str, str]:
        """The environment of every command on this machine."""
        return {
            **isolated_environment(self.folder),
            **{"HOME": str(self.folder), "AWS_EC2_METADATA_DISABLED": "true"},
            "AWS_MAX_ATTEMPTS": "1",
            **self.environment,
        }
