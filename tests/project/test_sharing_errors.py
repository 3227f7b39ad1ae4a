"""Messages of sharing: faults of a remote in one line with cause and fix, and next steps."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from motiontransfer.project.remote import explain
from tests.project.remotes import free_port, ssh_home

KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of this machine"


NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
NO_SECRET, WRONG_SECRET = {"AWS_SECRET_ACCESS_KEY": ""}, {"AWS_SECRET_ACCESS_KEY": "wrong"}
OTHER_KEY, OTHER_PROFILE = {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, {"AWS_PROFILE": "none"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "endpoint", "environment", "line"),
    [
        *(
            ("s3://team/x", "up", environment, f"{line}; {KEYS}")
            for environment, line in [
                (NO_KEYS, "no credentials (NoCredentialsError)"),
                (NO_SECRET, "no credentials (PartialCredentialsError)"),
                (WRONG_SECRET, "the secret key is wrong (SignatureDoesNotMatch)"),
                (OTHER_KEY, "the store does not know this access key (InvalidAccessKeyId)"),
                (OTHER_PROFILE, "this machine's ~/.aws has no such profile (ProfileNotFound)"),
            ]
        ),
        ("s3://missing/x", "up", {}, "no such bucket (NoSuchBucket); create it, or "),
        ("s3://team/x", "https", {}, "no secure connection"),
        ("s3://team/x", "down", {}, "no answer (EndpointConnectionError); is it up, "),
        ("ssh://user@127.0.0.1:{port}/x", None, {}, "no answer (ECONNREFUSED); "),
        ("ssh://user@nowhere.invalid/x", None, {}, "no such host (gaierror); "),
    ],
)
def test_a_remote_that_cannot_be_used_is_named_with_cause_and_fix(
    owner, s3, url, endpoint, environment, line
):
    owner.environment.update(s3.environment)
    port = free_port()
    url = url.format(port=port)
    endpoints = {
        "up": s3.options[1],
        "https": s3.options[1].replace("http:", "https:"),
        "down": f"http://127.0.0.1:{port}",
    }
    options = ("--endpoint", endpoints[endpoint]) if endpoint else ()
    assert owner.error("share", url, *options, **environment).startswith(f"{url}: {line}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["s3", "ssh"])
def test_a_reader_cannot_share(owner, kind, request, tmp_path):
    remote = request.getfixturevalue(kind)
    owner.environment.update(remote.reader)
    message = owner.error("share", f"{remote.url}/{tmp_path.name}", *remote.options)
    assert "you may not do this there" in message
    assert message.endswith("`uv run motiontransfer join` needs no more than to read")


@pytest.mark.slow
def test_ssh_refuses_unknown_keys(owner, ssh):
    hosts_folder = Path(ssh.environment["HOME"]).parent
    owner.environment["HOME"] = str(ssh_home(hosts_folder, "stranger"))
    message = owner.error("share", ssh.url)
    assert "ssh did not let this user in (PermissionDenied); add your key there" in message


@pytest.mark.slow
def test_a_folder_that_one_may_only_read(owner, tmp_path):
    (tmp_path / "remote").mkdir(mode=0o555)
    prefix = ()
    if os.getuid() == 0:  # to whom permissions mean nothing
        if not shutil.which("setpriv"):
            pytest.skip("root, and no setpriv to be less")
        prefix = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    message = owner.error("share", str(tmp_path / "remote"), prefix=prefix)
    assert message.startswith(f"{tmp_path}/remote: you may not do this there (EACCES); ")


@pytest.mark.slow
def test_a_full_disk_is_one_line(mate, tmp_path):
    """A file system of 16 kB, in a name space of its own."""
    tiny = tmp_path / "tiny"
    tiny.mkdir()
    alone = ("unshare", "--mount", "--map-root-user")
    mounting = f"mount -t tmpfs -o size=16k tmpfs {tiny}"
    if not shutil.which("unshare") or subprocess.run([*alone, "sh", "-c", mounting]).returncode:
        pytest.skip("nothing can be mounted here")
    prefix = (*alone, "sh", "-c", f'{mounting}; exec "$0" "$@"')
    (mate.root / ".dvc/config.local").write_text(f"[cache]\n    dir = {tiny}\n")
    message = mate.error("join", "--bring", "all", prefix=prefix)
    assert ": the disk is full, there or here (ENOSPC); free some space, then run this" in message


@pytest.mark.slow
def test_a_clone_without_a_remote_or_lock_names_the_owners_step(owner, folder, tmp_path):
    assert "the project names no remote; its owner runs `uv run motiontransfer share URL`" in (
        owner.error("join")
    )
    owner.share(folder)
    (owner.root / "dvc.lock").unlink()
    assert "dvc.lock: no such file, so no past run is known" in owner.error("join")
    assert owner.error("share") == "dvc.lock: no such file; run `dvc repro` first"
    shutil.rmtree(owner.root / ".dvc")
    assert "no DVC project with git here; run from the project's root" in owner.error("join")


@pytest.mark.slow
def test_a_stage_that_fails_is_named(mate):
    mate.edit("params.yaml", "crf: 2", "crf: 3")
    mate.edit("dvc.yaml", "grep crf", "grep zzz")
    failed = mate.run("motiontransfer", "join")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == (
        "ERROR: stage render failed; its output above says why, and `uv run motiontransfer join` "
        "goes on from here"
    )
    assert "Traceback" not in failed.stderr


@pytest.mark.slow
def test_a_video_that_is_not_shared_is_named(owner, folder, tmp_path):
    (owner.root / "data/videos/cleo_1").write_text("cleo")
    owner.edit("params.yaml", "train:", "  cleo_1: {subject: cleo}\ntrain:")
    owner.dvc("repro", "--quiet")
    owner.share(folder)
    mate = owner.clone(tmp_path / "mate")
    mate.edit("dvc.yaml", "cp data", "cp -f data")  # all detection runs again
    message = mate.run("motiontransfer", "join").stderr.splitlines()[-1]
    assert message.startswith(
        "ERROR: stage detect@cleo_1 reads data/videos/cleo_1, which is not shared"
    )
    assert "`uv run dvc add data/videos/cleo_1`" in message


SECRET = "secrets do not go into git: leave them out of the URL"


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("s3://AKIAKEY:SECRET@team/dance", f"s3://team/dance: {SECRET}"),
        ("ssh://me:SECRET@host/dance", f"ssh://host/dance: {SECRET}"),
        ("webdavs://host/dance?token=SECRET", f"webdavs://host/dance: {SECRET}"),
        ("s3:/bucket/x", "s3:/bucket/x: not a URL; expected s3://bucket/x (or ./s3:/bucket/x for"),
        ("ssh:///", "ssh:///: not a URL; expected ssh:// "),
        (f"{__file__}/x", f"{__file__}/x: no such folder, and it cannot be made"),
    ],
)
def test_a_url_that_is_malformed_or_holds_a_secret_is_refused_and_config_stays(owner, url, line):
    before = (owner.root / ".dvc/config").read_bytes()
    message = owner.error("share", url)
    assert message.startswith(line)
    assert not [secret for secret in ("SECRET@", "=SECRET", "AKIAKEY") if secret in message]
    assert (SECRET in line) == (".dvc/config.local" in message)
    assert (owner.root / ".dvc/config").read_bytes() == before


@pytest.mark.slow
def test_options_that_fit_no_url_are_refused(owner, folder):
    assert "only s3:// remotes have one" in owner.error(
        "share", folder.url, "--endpoint", "http://x"
    )
    assert "belong to a URL" in owner.error("share", "--profile", "me")


def test_printed_commands_are_quoted_for_the_shell(owner, folder):
    (owner.root / "data/videos/my cleo_1").write_text("cleo\n")
    (owner.root / "data/videos/my ben_1.dvc").write_text("outs: []\n")
    owner.edit("params.yaml", "train:", "  my cleo_1: {subject: cleo}\ntrain:")
    owner.edit("dvc.yaml", "cp data/videos/${key}", "cp 'data/videos/${key}'")
    output = owner.command("share", folder.url)
    assert "run `uv run dvc add 'data/videos/my cleo_1'`, then share again" in output
    assert "git add .dvc/config 'data/videos/my ben_1.dvc' dvc.yaml params.yaml, commit" in output


def test_share_lists_stages_that_are_out_of_date(owner, folder):
    owner.edit("params.yaml", "steps: 1", "steps: 5")
    assert "not up to date, others will run it: train\n" in owner.share(folder)


def test_codes_of_amazons_servers_are_explained():
    error = OSError("Forbidden")
    error.__cause__ = ClientError({"Error": {"Code": "ExpiredToken"}}, "HeadObject")
    line = explain([error], name="team", url="s3://team/dance")
    assert line.startswith("s3://team/dance: the credentials have expired (ExpiredToken); ")
    assert "{" not in line


def test_unknown_system_errors_keep_their_text_and_bugs_are_not_hidden():
    unknown = OSError("the tape robot\nis on strike")
    assert explain([unknown], name="team", url="x") == "x: the tape robot is on strike"
    assert explain([TypeError("ours")], name="team", url="x") is None
    missing = explain([ImportError("s3 needs dvc-s3")], name="team", url="x")
    assert "x: a package is missing for this kind of remote: s3 needs dvc-s3" in missing
