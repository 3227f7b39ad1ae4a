import shutil

import pytest

from motiontransfer.core.errors import MotionTransferError, RemoteError
from motiontransfer.pipeline import remote
from motiontransfer.pipeline.dvc_api import DvcException, opened
from motiontransfer.pipeline.remote import errors_with_url
from motiontransfer.pipeline.sharing import join, share
from tests.project.remotes import free_port

NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "endpoint", "environment"),
    [
        ("s3://team/x", "{up}", NO_KEYS),
        ("s3://team/x", "{up}", {"AWS_SECRET_ACCESS_KEY": "wrong"}),
        ("s3://missing/x", "{up}", {}),
        ("s3://team/x", "http://127.0.0.1:{port}", {}),
        ("ssh://user@127.0.0.1:{port}/x", None, {}),
    ],
)
def test_a_remote_that_cannot_be_used_is_named_in_one_line(owner, s3, url, endpoint, environment):
    owner.environment.update(s3.environment)
    there = {"port": free_port(), "up": s3.options[1]}
    url = url.format(**there)
    options = ("--endpoint", endpoint.format(**there)) if endpoint else ()
    assert owner.error("share", url, *options, **environment).startswith(f"{url}: ")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["s3", "ssh"])
def test_a_reader_cannot_share(owner, kind, request, tmp_path):
    store = request.getfixturevalue(kind)
    owner.environment.update(store.reader)
    url = f"{store.url}/{tmp_path.name}"
    assert owner.error("share", url, *store.options).startswith(f"{url}: ")


class _LibraryError(Exception):
    """Of S3's or ssh's library, say."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DvcException("2 files failed"), r"^URL: 2 files failed \(DvcException\)"),
        (_LibraryError("no\nkey"), r"^URL: no key \(_LibraryError\)"),
        (OSError("the tape robot"), r"^URL: the tape robot \(OSError\)"),
        (ImportError("no dvc-gs"), r"^URL: no dvc-gs"),
        (RemoteError("what it is"), "^what it is$"),
        (TypeError("ours"), "^ours$"),
    ],
)
def test_errors_of_libraries_follow_the_url_and_bugs_stay(here, monkeypatch, error, told):
    expected = TypeError if isinstance(error, TypeError) else MotionTransferError
    monkeypatch.setattr(remote, "default_remote", lambda _: ("team", "URL"))
    with opened(here.root) as repo, pytest.raises(expected, match=told), errors_with_url(repo):
        raise error


@pytest.mark.slow
def test_a_clone_without_a_remote_or_lock_names_the_owners_step(owner, folder):
    assert "its owner runs `uv run motiontransfer share URL`" in owner.error("join")
    owner.share(folder)
    (owner.root / "dvc.lock").unlink()
    assert "dvc.lock: no such file, so no past run is known" in owner.error("join")
    assert owner.error("share") == "dvc.lock: no such file; run `dvc repro` first"
    shutil.rmtree(owner.root / ".dvc")
    assert "no DVC project with git here; run from the project's root" in owner.error("join")


@pytest.mark.slow
def test_a_video_that_is_not_shared_is_named(owner, folder, tmp_path):
    (owner.root / "data/videos/cleo_1").write_text("cleo")
    owner.edit("films.yaml", "    ben_1:", "    cleo_1: {subject: cleo}\n    ben_1:")
    owner.dvc("repro", "--quiet")
    owner.share(folder)
    mate = owner.clone(tmp_path / "mate")
    mate.edit("dvc.yaml", "cp data", "cp -f data")  # all detection runs again
    message = mate.error("join")
    assert "stage detect@cleo_1 reads data/videos/cleo_1, which is not shared" in message
    assert "`uv run dvc add data/videos/cleo_1`" in message


def test_who_joins_with_all_up_to_date_runs_nothing(here, folder):
    share(folder.url)
    assert join(bring="needed")[-1] == "nothing had to run"


SECRET = "secrets do not go into git. Keep them in the environment"


@pytest.mark.parametrize(
    ("url", "options", "line"),
    [
        ("s3://AKIAKEY:SECRET@team/dance", {}, f"s3://team/dance: {SECRET}"),
        ("ssh://me:SECRET@host/dance", {}, f"ssh://host/dance: {SECRET}"),
        ("webdavs://host/dance?token=SECRET", {}, f"webdavs://host/dance: {SECRET}"),
        ("s3:/bucket/x", {}, "s3:/bucket/x: not a URL; expected s3://"),
        (f"{__file__}/x", {}, f"{__file__}/x: "),
        ("../Team (ä)", {}, "../Team (ä): DVC can write only ASCII to .dvc/config"),
        ("../remote", {"endpoint": "http://x"}, "--endpoint: only s3:// remotes have one"),
        (None, {"profile": "me"}, "--endpoint and --profile belong to a URL"),
    ],
)
def test_a_malformed_url_or_one_with_a_secret_is_refused(here, url, options, line):
    before = (here.root / ".dvc/config").read_bytes()
    with pytest.raises(MotionTransferError) as told:
        share(url, **options)
    message = str(told.value)
    assert message.startswith(line)
    assert not [secret for secret in ("SECRET@", "=SECRET", "AKIAKEY") if secret in message]
    assert (SECRET in line) == (".dvc/config.local" in message)
    assert (here.root / ".dvc/config").read_bytes() == before


def test_share_lists_stale_stages_and_prints_commands_quoted_for_the_shell(owner, folder):
    (owner.root / "data/videos/my cleo_1").write_text("cleo\n")
    (owner.root / "data/videos/my ben_1.dvc").write_text("outs: []\n")
    owner.edit("films.yaml", "    ben_1:", "    my cleo_1: {subject: cleo}\n    ben_1:")
    owner.edit("params.yaml", "train: {steps: 1}", "train: {steps: 5}")
    owner.edit("dvc.yaml", "cp data/videos/${key}", "cp 'data/videos/${key}'")
    output = owner.command("share", folder.url)
    assert "run `uv run dvc add 'data/videos/my cleo_1'`, then share again" in output
    changed = "git add .dvc/config 'data/videos/my ben_1.dvc' dvc.yaml films.yaml params.yaml, comm"
    assert changed in output
    (stale,) = [line for line in output.splitlines() if "not up to date" in line]
    assert "train" in stale
