import re
from pathlib import Path

import pytest
import yaml

from tests.project.machines import Machine
from tests.project.remotes import BUCKET, Remote, s3_client

pytestmark = pytest.mark.slow

MODEL = "artifacts/models/ada"
FRAME = "results/dance/frames/0"


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
            self._path(oid).unlink(missing_ok=True)

    def _key(self, oid: str) -> str:
        folder = self._remote.url.removeprefix(f"s3://{BUCKET}/")
        return f"{folder}/files/md5/{oid[:2]}/{oid[2:]}"

    def _path(self, oid: str) -> Path:
        folder = re.sub(r"ssh://[^/]*", "", self._remote.url)
        return Path(folder) / "files/md5" / oid[:2] / oid[2:]


def object_of(machine: Machine, path: str) -> str:
    lock = yaml.safe_load((machine.root / "dvc.lock").read_text())
    outs = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    if path in outs:
        return outs[path]
    folder = outs[str(Path(path).parent)]
    listed = machine.root / ".dvc/cache/files/md5" / folder[:2] / folder[2:]
    members = {entry["relpath"]: entry["md5"] for entry in yaml.safe_load(listed.read_text())}
    return members[Path(path).name]


def test_a_damaged_object_is_named_never_used_and_pushed_again(owner, remote, tmp_path):
    owner.share(remote)
    oid = object_of(owner, MODEL)
    store = Store(remote)
    store.damage(oid)
    mate = owner.clone(tmp_path / "mate", environment=remote.reader)
    mate.edit("params.yaml", "crf: 2", "crf: 3")
    message = mate.error("join")
    assert f"{MODEL} is missing or damaged there (files/md5/{oid[:2]}/{oid[2:]})" in message
    assert "dvc push" in message
    assert not (mate.root / MODEL).exists()
    assert not (mate.root / FRAME).exists()
    store.delete(oid)  # where DVC has not done it itself
    assert "1 file pushed" in owner.dvc("push")
    assert "Running stage 'render'" in mate.command("join")
    assert mate.files("artifacts/models") == owner.files("artifacts/models")


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_a_damaged_object_of_the_cache_is_not_sent(owner, folder, mode):
    oid = object_of(owner, MODEL)
    path = owner.root / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    path.chmod(mode)
    message = owner.error("share", folder.url)
    assert f"{oid[:2]}/{oid[2:]}: damaged: its content is not what it is named after" in message
    assert not list(Path(folder.url).rglob(oid[2:]))
