import re
import shutil
import signal

import pytest

from tests.command import started
from tests.project.remotes import s3_client, wait_for

pytestmark = pytest.mark.slow

VIDEOS = ("ada_1", "ada_2", "ben_1")
RESULT = ("results/dance/frames/0", "results/dance/frames/1")


def test_a_team_shares_results_and_past_runs(owner, remote, tmp_path):
    """The whole story, with each kind of remote; the teammate may only read there."""
    assert "sent 10 files" in owner.share(remote)
    assert "sent 0 files, 0.00B, and 0 past runs" in owner.command("share")
    mate = owner.clone(tmp_path / "mate", environment=remote.reader)

    output = mate.command("join")
    assert "nothing had to run" in output
    assert "brought 1 outs" in output
    assert mate.files("results") == owner.files("results")
    assert set(mate.files("artifacts", "data")) == {
        "artifacts/metrics/render.json",
        *(f"data/videos/{name}.dvc" for name in VIDEOS),
    }

    mate.edit("params.yaml", "crf: 2", "crf: 3")  # a render option: only its inputs come
    output = mate.command("join")
    assert re.findall("Running stage '(.*)'", output) == ["render"]
    assert "brought 2 outs" in output
    brought = {"artifacts/models/ada", "artifacts/keypoints/ben/ben_1"}
    assert set(mate.files("artifacts/models", "artifacts/keypoints")) == brought

    mate.edit("params.yaml", "crf: 3", "crf: 1")  # what the owner ran before he shared
    output = mate.command("join")
    assert "Running stage" not in output
    assert "rebuilt or restored: render" in output
    assert "crf: 1" in (mate.root / RESULT[1]).read_text()

    owner.edit("params.yaml", "crf: 2", "crf: 4")  # and the owner goes on: only that is sent
    owner.dvc("repro", "--quiet")
    output = owner.command("share")
    assert "sent 2 files" in output  # one of the two frames, and the folder's list
    assert "and 1 past runs" in output
    assert "git add dvc.lock params.yaml, commit, push" in output


def test_bring_all_pulls_everything_and_needed_no_results(owner, mate):
    assert "brought 0 outs" in mate.command("join", "--bring", "needed")
    assert not mate.files("results")
    mate.command("join", "--bring", "all")
    all_of_it = ("results", "artifacts", "data")
    assert mate.files(*all_of_it) == owner.files(*all_of_it)
    (mate.root / RESULT[0]).unlink()  # as by a join that was killed while it laid out files
    assert "nothing had to run" in mate.command("join")
    assert mate.files("results") == owner.files("results")


def test_a_new_video_of_another_subject_trains_nothing(mate):
    (mate.root / "data/videos/cleo_1").write_text("cleo_1\n")
    mate.edit("films.yaml", "    ben_1:", "    cleo_1: {subject: cleo}\n    ben_1:")
    output = mate.command("join", "--bring", "needed")
    assert "rebuilt or restored: detect@cleo_1\n" in output
    assert "brought 0 outs" in output
    shared = mate.command("share")
    assert "uv run dvc add data/videos/cleo_1" in shared  # or others lack it


PREVIEW = """  preview:
    foreach: [dance]
    do:
      cmd: grep crf params.yaml > preview
      deps: [params.yaml]
      outs: [preview]
"""


def test_a_preview_that_was_never_made_is_made_for_no_teammate(owner, folder, tmp_path):
    """Those of photos: their result is as soon there. One that was made is made anew."""
    owner.edit("dvc.yaml", "stages:\n", f"stages:\n{PREVIEW}")
    owner.commit("a preview that nobody makes")
    assert "not up to date" not in owner.command("share", folder.url)
    owner.dvc("repro", "--quiet", "preview@dance")
    owner.edit("params.yaml", "crf: 2", "crf: 3")
    shared = owner.command("share")
    assert "not up to date, others will run it: preview@dance, render\n" in shared


def test_training_reads_all_of_a_targets_folder_also_where_it_is_here_in_part(mate):
    mate.dvc("pull", "--quiet", "artifacts/keypoints/ada/ada_1")
    assert "nothing had to run" in mate.command("join")
    assert mate.git("status", "--porcelain") == ""
    mate.edit("params.yaml", "steps: 1", "steps: 2")
    assert "rebuilt or restored: train, render\n" in mate.command("join")
    assert (mate.root / "artifacts/models/ada").read_text() == "ada_1\nada_2\ntrain: {steps: 2}\n"


def test_a_killed_share_goes_on(owner, s3, tmp_path):
    frames = 'for i in $(seq 150); do echo "$i" > results/dance/frames/frame_$i; done'
    owner.edit("dvc.yaml", "grep crf params.yaml >", f"{frames} && grep crf params.yaml >")
    owner.dvc("repro", "--quiet")
    owner.environment.update(s3.environment)
    address = ("share", f"{s3.url}/killed", *s3.options)
    client = s3_client(s3.options[1], s3.environment)
    killed = started("motiontransfer", *address, cwd=owner.root, env=owner.all_variables())
    wait_for(lambda: _count(client, "dance/killed/files") > 10)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    arrived = _count(client, "dance/killed/files")
    assert arrived < 150
    assert _count(client, "dance/killed/runs") == 0  # entries come after what they name
    output = owner.command(*address)
    owner.commit("shared")
    there = int(output.split("; ")[1].split()[0])
    assert there >= arrived - 1  # the one that was under way may be counted or not
    mate = owner.clone(tmp_path / "mate")
    assert "nothing had to run" in mate.command("join")
    assert mate.files("results") == owner.files("results")


def test_the_default_remote_is_in_git_and_verified(owner, s3):
    owner.environment.update(s3.environment)
    owner.command("share", s3.url, *s3.options)
    config = (owner.root / ".dvc/config").read_text()
    assert "verify = True" in config
    assert f"endpointurl = {s3.options[1]}" in config
    for secret in s3.environment.values():
        assert secret not in config
    shutil.rmtree(owner.root / ".dvc/tmp", ignore_errors=True)
    owner.command("share", "../remote")  # of another kind: its options do not linger
    assert (owner.root.parent / "remote/files").is_dir()  # relative to the current folder
    config = (owner.root / ".dvc/config").read_text()
    assert "endpointurl" not in config
    assert "verify = True" in config


def _count(client, prefix: str) -> int:
    return client.list_objects_v2(Bucket="team", Prefix=prefix)["KeyCount"]
