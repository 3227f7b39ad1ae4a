"""dvc.lock and films.yaml of two people, merged by git."""

import hashlib
from pathlib import Path

import pytest
import yaml

from motiontransfer.project.merging import main, merge
from tests.clone import ROOT, recorded
from tests.project_files import SHIPPED, films_text

LOCK = recorded("dvc.lock")
BASE = films_text(
    "videos:\n  a: {path: a}  # hers\n  b: {path: b}\nsubjects: [a, b]\ntransfers: {}\n"
)


def entry(name, content):
    return f"  {name}:\n    cmd: make {name}\n    outs:\n    - path: {name}\n      md5: {content}\n"


def lock(**entries):
    return "schema: '2.0'\nstages:\n" + "".join(entry(*each) for each in entries.items())


def films(text):
    return yaml.safe_load(text)["films"]


@pytest.mark.parametrize("text", [LOCK, SHIPPED["films.yaml"]])
def test_what_one_side_alone_has_changed_is_taken_as_it_is(text):
    for base in (text, ""):
        assert merge(base, text, text, root=Path()) == text
    assert merge(text, text, text, root=Path()) == text
    changed = text.replace("artifacts", "elsewhere").replace("demo_dance", "waltz")
    assert changed != text
    assert yaml.safe_load(merge(text, changed, text, root=Path())) == yaml.safe_load(changed)
    assert yaml.safe_load(merge(text, text, changed, root=Path())) == yaml.safe_load(changed)


def test_entries_of_both_sides_of_a_lock_are_kept(tmp_path):
    base = lock(old="1", gone="1", x="1")
    ours = lock(old="2", gone="1", x="1", mine="1")
    theirs = lock(old="1", x="1", new="1")
    assert merge(base, ours, theirs, root=tmp_path) == lock(old="2", x="1", mine="1", new="1")
    assert merge("", "", theirs, root=tmp_path) == theirs


def test_of_an_entry_that_both_have_made_that_is_kept_whose_outputs_are_here(tmp_path, monkeypatch):
    (tmp_path / "x").write_text("ours")
    here, other = (hashlib.md5(content).hexdigest() for content in (b"ours", b"theirs"))
    for ours, theirs in ((here, other), (other, here)):
        merged = merge(lock(x="1"), lock(x=ours), lock(x=theirs), root=tmp_path)
        assert merged == lock(x=here)
    assert merge(lock(x="1"), lock(x=other), lock(x="2"), root=tmp_path) == lock()
    texts = {"base": lock(x="1"), "ours": lock(x=other), "theirs": lock(x=here)}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path.parent)  # git's repository, of which the project is a folder
    assert main(*(str(tmp_path / name) for name in texts), f"{tmp_path.name}/dvc.lock") == 0
    assert (tmp_path / "ours").read_text() == lock(x=here)


@pytest.mark.parametrize(("bom", "line_break"), [("", "\n"), ("\ufeff", "\r\n")])
def test_films_of_both_sides_are_kept_in_our_layout(bom, line_break, tmp_path, monkeypatch):
    ours = BASE.replace("    b:", "    mine: {path: mine}\n    b:").replace("[a, b]", "[a, b, m]")
    theirs = BASE.replace("    b: {path: b}\n", "    new: {path: n}\n").replace("[a, b]", "[a, n]")
    texts = {"base": BASE, "ours": bom + ours.replace("\n", line_break), "theirs": theirs}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode())
    monkeypatch.chdir(tmp_path)
    assert main(*texts) == 0
    merged = Path("ours").read_bytes().decode()
    assert merged.startswith(bom)
    assert merged.count(line_break) == merged.count("\n")
    assert films(merged) == {
        "videos": {"a": {"path": "a"}, "mine": {"path": "mine"}, "new": {"path": "n"}},
        "subjects": ["a", "m", "n"],
        "transfers": {},
    }
    assert "# hers" in merged


def test_an_entry_changed_in_two_ways_is_left_to_who_knows():
    ours, theirs = (BASE.replace("{path: b}", f"{{path: {path}}}") for path in ("x", "y"))
    assert merge(BASE, ours, theirs, root=Path()) is None
    assert films(merge(BASE, ours, BASE, root=Path()))["videos"]["b"] == {"path": "x"}


def add_dance(machine, name):
    """A film of somebody else, run, shared and committed."""
    (machine.root / f"data/videos/{name}_1").write_text(f"{name}\n")
    machine.dvc("add", "--quiet", f"data/videos/{name}_1")
    machine.edit("films.yaml", "    ben_1:", f"    {name}_1: {{subject: {name}}}\n    ben_1:")
    assert f"detect@{name}_1" in machine.dvc("repro")
    assert f"git add data/videos/{name}_1.dvc dvc.lock films.yaml," in machine.command("share")
    machine.commit(name)


@pytest.mark.slow
@pytest.mark.parametrize("owner", ["in_folder"], indirect=True)
@pytest.mark.parametrize("is_set_up", [True, False])
def test_two_who_each_added_a_dance_merge_and_nothing_runs(owner, mate, is_set_up):
    (owner.root / ".gitattributes").write_text((ROOT / ".gitattributes").read_text())
    owner.commit("attributes")
    mate.git("pull", "--quiet")
    mate.command("join", "--bring", "all")
    for machine, name in ((owner, "cleo"), (mate, "dora")):
        (machine.root / "data/videos/.gitignore").write_text(f"/{name}.mp4\n")  # as `dvc add` does
        add_dance(machine, name)
    if not is_set_up:
        mate.git("config", "--remove-section", "merge.motiontransfer")
    pulled = mate.run("git", "pull", "--quiet", "--no-rebase", "--no-edit")
    assert (pulled.returncode == 0) == is_set_up, pulled.stdout + pulled.stderr
    output = mate.command("join", "--bring", "all")
    assert "nothing had to run" in output
    if not is_set_up:
        assert "dvc.lock: merged by entries" in output
        assert "films.yaml: merged by entries" in output
        mate.commit("merged")
    assert not mate.git("status", "--porcelain")
    for name in ("cleo", "dora"):
        assert f"/{name}.mp4\n" in (mate.root / "data/videos/.gitignore").read_text()
        path = f"artifacts/keypoints/{name}/{name}_1"
        assert (mate.root / path).read_text() == f"{name}\n"
    assert "didn't change" in mate.dvc("repro")
    assert "Running" not in mate.dvc("repro")
