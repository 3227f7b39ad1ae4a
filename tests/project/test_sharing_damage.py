from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
MODEL = "artifacts/models/ada"


def path_of_model(machine, store):
    """Of its object in a remote or a cache."""
    lock = yaml.safe_load((machine.root / "dvc.lock").read_text())
    outs = (out for stage in lock["stages"].values() for out in stage["outs"])
    (oid,) = (out["md5"] for out in outs if out["path"] == MODEL)
    return Path(store) / "files/md5" / oid[:2] / oid[2:]


def damage(path):
    """Bits that rot leave a file as read-only as it was."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    path.chmod(mode)


def test_a_damaged_object_is_named_never_used_and_pushed_again(owner, folder, tmp_path):
    owner.share(folder)
    path = path_of_model(owner, folder.url)
    damage(path)
    mate = owner.clone(tmp_path / "mate")
    mate.edit("params.yaml", "crf: 2", "crf: 3")
    message = mate.error("join")
    named = path.relative_to(folder.url)
    assert f"{MODEL} is missing or damaged there ({named})" in message
    assert "dvc push" in message
    assert not (mate.root / MODEL).exists()
    assert not (mate.root / "results/dance/frames/0").exists()
    path.unlink(missing_ok=True)  # where DVC has not done it itself
    assert "1 file pushed" in owner.dvc("push")
    assert "Running stage 'render'" in mate.command("join")
    assert mate.files("artifacts/models") == owner.files("artifacts/models")


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_a_damaged_object_of_the_cache_is_not_sent(owner, folder, mode):
    path = path_of_model(owner, owner.root / ".dvc/cache")
    path.chmod(mode)
    damage(path)
    message = owner.error("share", folder.url)
    named = "/".join(path.parts[-2:])
    assert f"{named}: damaged: its content is not what it is named after" in message
    assert not list(Path(folder.url).rglob(path.name))
