import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from dvc.utils import dict_sha256
from dvc.utils.serialize import dump_yaml, load_yaml

from motiontransfer.pipeline.remote import fetch_lists, objects_of, opened
from tests.project.machines import Machine
from tests.project.remotes import BUCKET, Remote, s3_client

FRAMES = "results/dance/frames"


class Intruder:
    """Writer to a folder that is the remote."""

    def __init__(self, remote: Remote) -> None:
        self._folder = Path(remote.url)

    def put(self, data: bytes, *, suffix: str = "") -> str:
        """Store an object under its true hash."""
        oid = hashlib.md5(data, usedforsecurity=False).hexdigest()
        self.write(f"files/md5/{oid[:2]}/{oid[2:]}{suffix}", data)
        return f"{oid}{suffix}"

    def write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def forge(self, change) -> None:
        """Replace the past run of the stage `render` with `crf: 1` by a changed one."""
        for path in self._folder.glob("runs/*/*/*"):
            run = load_yaml(path)
            if run.get("params", {}).get("params.yaml", {}).get("render") == {"crf": 1}:
                path.unlink()
                change(run)
                name = dict_sha256(run, exclude=["size", "nfiles"])  # so that it fits what it holds
                dump_yaml(path.with_name(name), run)


@pytest.fixture
def old_run(mate) -> Machine:
    """A clone whose next run the owner's past run would serve."""
    mate.edit("params.yaml", "crf: 2", "crf: 1")
    return mate


@pytest.mark.slow
def test_a_forged_run_puts_no_file_into_the_project(folder, old_run):
    intruder = Intruder(folder)
    payload = intruder.put(b"print('owned')\n")
    out = {"path": "yaml.py", "hash": "md5", "md5": payload, "size": 15}
    intruder.forge(lambda run: run["outs"].append(out))
    output = old_run.command("join")
    assert not (old_run.root / "yaml.py").exists()
    assert "Running stage 'render'" in output
    assert f"1 past runs on {folder.url} were not used: they are not what `share` sends" in output
    assert not list((old_run.root / ".dvc/cache").rglob(payload[2:]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "out",
    [
        {"md5": "aa/../../../../outside.txt"},
        {"files": [{"relpath": "../../../../outside.txt", "md5": "0" * 32, "size": 1}]},
    ],
)
def test_a_forged_hash_of_an_out_is_no_path(folder, old_run, tmp_path, out):
    Intruder(folder).forge(lambda run: run["outs"][-1].update(out))
    assert "1 past runs" in old_run.command("join")
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.slow
def test_only_what_is_named_as_a_past_run_is_fetched(folder, mate):
    names = ("config.local", "aa/bb/cc", f"aa/{'b' * 64}/{'c' * 64}", f"aa/{'a' * 64}/x")
    for name in names:
        Intruder(folder).write(f"runs/{name}", b"[core]\n    remote = evil\n")
    assert "4 past runs" in mate.command("join")
    assert not [name for name in names if (mate.root / ".dvc/cache/runs" / name).exists()]


@pytest.mark.slow
def test_dots_in_an_object_name_lead_nowhere(owner, s3, tmp_path):
    owner.share(replace(s3, url=f"{s3.url}/{tmp_path.name}"))
    s3_client(s3.options[1], s3.environment).put_object(
        Bucket=BUCKET,
        Key=f"dance/{tmp_path.name}/runs/../../config.local",
        Body=b"[core]\n    remote = evil\n",
    )
    mate = owner.clone(tmp_path / "mate")
    assert "1 past runs" in mate.command("join")
    assert not (mate.root / ".dvc/config.local").exists()


@pytest.fixture(params=[{"relpath": "../../../outside.txt"}, {"md5": "aa/{folder}/outside.txt"}])
def forged_list(request, mate, folder, tmp_path) -> bytes:
    """A folder's list whose one member, or the member's object, lies outside."""
    member = {"relpath": "0", "md5": Intruder(folder).put(b"outside\n")}
    member |= {key: value.format(folder=tmp_path) for key, value in request.param.items()}
    return json.dumps([member]).encode()


@pytest.mark.slow
def test_the_list_of_a_folder_leads_not_outside(folder, mate, tmp_path, forged_list):
    """In place of the true one, whose hash git knows: DVC reads it before it checks the hash."""
    lock = yaml.safe_load((mate.root / "dvc.lock").read_text())
    (oid,) = [out["md5"] for out in lock["stages"]["render"]["outs"] if out["path"] == FRAMES]
    Intruder(folder).write(f"files/md5/{oid[:2]}/{oid[2:]}", forged_list)
    message = mate.error("join")
    assert message.startswith(f"{folder.url}: {FRAMES} is forged there (files/md5/")
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.slow
def test_a_past_run_with_such_a_list_is_run_again(folder, old_run, tmp_path, forged_list):
    intruder = Intruder(folder)
    oid = intruder.put(forged_list, suffix=".dir")
    intruder.forge(lambda run: run["outs"][-1].update(md5=oid))
    assert "Running stage 'render'" in old_run.command("join")
    assert not list(tmp_path.rglob("outside.txt"))
    assert not (old_run.root / ".dvc/cache/files/md5" / oid[:2] / oid[2:]).exists()


@pytest.mark.slow
def test_a_past_run_whose_list_is_gone_is_not_kept(folder, old_run):
    """Nor is it restored with a list that comes later: MD5 is no protection."""
    runs, lists = old_run.root / ".dvc/cache/runs", old_run.root / ".dvc/cache/files/md5"
    old_run.command("join")
    before = len(list(runs.glob("*/*/*")))
    for path in [*lists.rglob("*.dir"), *Path(folder.url).rglob("*.dir")]:
        path.unlink()
    old_run.command("join", "--bring", "needed")
    assert len(list(runs.glob("*/*/*"))) == before - 2  # both of `render`


INSIDE = {"relpath": "a/b.txt", "md5": "0" * 32}
OUTSIDE = [
    *({"relpath": path} for path in ("a/../../outside", "/outside", "..\\outside", "C:outside")),
    *({"relpath": path} for path in ("", None, "a\0b", "\ud800")),
    *({"md5": md5} for md5 in ("../outside", None, f"{'0' * 32}.dir")),
    {"sha256": "../outside"},
]
FORGED = [json.dumps([INSIDE, INSIDE | member]).encode() for member in OUTSIDE]
FORGED += [b"{", b"{}", b'"\xff"', b"[" * 10**5]


def test_lists_with_a_member_outside_or_of_another_form_are_left_there(finished, folder, tmp_path):
    """Though their hashes are right: they were written like this."""
    intruder, missing = Intruder(folder), f"{'0' * 32}.dir"
    good, *bad = (
        intruder.put(content, suffix=".dir") for content in (json.dumps([INSIDE]).encode(), *FORGED)
    )
    mate = finished.clone(tmp_path / "mate")
    with opened(mate.root) as repo:
        with repo.config.edit("local") as config:
            config["remote"]["team"] = {"url": folder.url}
            config["core"]["remote"] = "team"
        faults = fetch_lists(repo, [good, *bad, missing])
        assert faults == {**dict.fromkeys(bad, "forged"), missing: "missing"}
        assert objects_of(repo, good, "x") == {good: "x", INSIDE["md5"]: "x/a/b.txt"}
        assert all(objects_of(repo, oid, "x") == {oid: "x"} for oid in bad)
