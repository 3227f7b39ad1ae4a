"""A damaged or missing object on the remote is found, never used, and replaced by one command."""

import re
from pathlib import Path

import pytest
import yaml

from tests.workspace.machines import Machine
from tests.workspace.remotes import BUCKET, Remote, s3_client

MODEL = "artifacts/models/ada"
FRAME = "results/dance/frames/0"

pytestmark = pytest.mark.slow


class Store:
    """The remote's objects, behind DVC's back."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._client = s3_client(remote.options[1], remote.environment) if remote.options else None

    def damage(self, oid: str) -> None:
        if self._client:
            self._client.put_object(Bucket=BUCKET, Key=self._key(oid), Body=b"damaged")
            return
        path = self._path(oid)
        mode = path.stat().st_mode
        path.chmod(0o644)
        path.write_bytes(b"damaged")
        path.chmod(mode)  # bits that rot leave a file as read-only as it was

    def delete(self, oid: str) -> None:
        if self._client:
            self._client.delete_object(Bucket=BUCKET, Key=self._key(oid))
        else:
            self._path(oid).unlink()

    def _key(self, oid: str) -> str:
        folder = self._remote.url.removeprefix(f"s3://{BUCKET}/")
        return f"{folder}/files/md5/{oid[:2]}/{oid[2:]}"

    def _path(self, oid: str) -> Path:
        folder = re.sub(r"ssh://[^/]*", "", self._remote.url)
        return Path(folder) / "files/md5" / oid[:2] / oid[2:]


def object_of(machine: Machine, path: str) -> str:
    """Its hash, as dvc.lock and the cache's lists have it."""
    lock = yaml.safe_load((machine.root / "dvc.lock").read_text())
    outs = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    if path in outs:
        return outs[path]
    folder = outs[str(Path(path).parent)]
    listed = machine.root / ".dvc/cache/files/md5" / folder[:2] / folder[2:]
    members = {entry["relpath"]: entry["md5"] for entry in yaml.safe_load(listed.read_text())}
    return members[Path(path).name]


def test_what_is_damaged_is_found_named_and_never_used(owner, remote, tmp_path):
    owner.share(remote)
    Store(remote).damage(object_of(owner, MODEL))
    mate = owner.clone(tmp_path / "mate", environment=remote.reader)
    mate.edit("params.yaml", "crf: 2", "crf: 3")
    told = mate.told("join")
    # From a folder DVC itself deletes what it finds damaged, where it may.
    assert re.fullmatch(
        rf".*: {MODEL} is (damaged|missing) there; whoever has it whole, the owner as a rule, "
        "runs `uv run motiontransfer heal`; then run this again",
        told,
    )
    assert not (mate.root / MODEL).exists()
    assert not (mate.root / FRAME).exists()
    healed = owner.command("heal")
    assert re.search("0 damaged, 1 missing, 1 sent|1 damaged, 0 missing, 1 sent", healed)
    assert f": {MODEL}\n" in healed
    assert "0 damaged, 0 missing, 0 sent anew" in owner.command("heal")
    assert "Running stage 'render'" in mate.command("join")
    assert mate.files("artifacts/models") == owner.files("artifacts/models")


def test_a_member_of_a_folder_is_healed_though_the_folders_list_is_there(owner, s3, tmp_path):
    """`dvc push` takes the list for the folder, and would never send the member again."""
    remote = Remote(url=f"{s3.url}/{tmp_path.name}", options=s3.options, environment=s3.environment)
    owner.share(remote)
    Store(remote).delete(object_of(owner, FRAME))
    mate = owner.clone(tmp_path / "mate")
    assert f"{FRAME} is missing there; " in mate.told("join")
    assert not (mate.root / FRAME).exists()
    assert "sent 0 files" in owner.command("share")
    assert f": {FRAME}\n" in owner.command("heal")
    mate.command("join")
    assert mate.files("results") == owner.files("results")


def test_what_this_machine_has_not_either_is_told_and_damaged_ones_go(owner, folder, tmp_path):
    owner.share(folder)
    mate = owner.clone(tmp_path / "mate")
    Store(folder).damage(object_of(owner, MODEL))
    failed = mate.tries("heal")
    assert failed.returncode == 1
    assert f"damaged: {MODEL}\n" in failed.stdout
    assert failed.stderr.count("\n") == 1
    assert f"this machine has no whole copy of {MODEL}" in failed.stderr
    assert "sent 1 files" in owner.command("share")  # it is gone: sharing is enough


def test_a_damaged_copy_of_ones_own_is_not_sent(owner, folder):
    owner.share(folder)
    oid = object_of(owner, MODEL)
    Store(folder).delete(oid)
    cached = owner.root / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
    cached.chmod(0o644)
    cached.write_text("damaged")
    assert f"no whole copy of {MODEL}" in owner.tries("heal").stderr


def test_past_runs_are_healed_too(owner, folder, tmp_path):
    owner.share(folder)
    past = (owner.root / "results/dance/frames/1").read_text().replace("2", "1")
    stored = [path for path in (tmp_path / "remote/files").rglob("*") if path.is_file()]
    (old,) = [path for path in stored if path.read_text() == past]
    old.unlink()
    assert "missing: results/dance/frames/1\n" in owner.command("heal")
    assert old.read_text() == past
