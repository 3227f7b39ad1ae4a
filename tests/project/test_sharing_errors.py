import errno
import shutil
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError

from motiontransfer.pipeline import remote
from motiontransfer.pipeline.remote import explain
from tests.project.remotes import free_port, ssh_home

KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of this machine"
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
TABLE = yaml.safe_load(Path(remote.__file__).with_name("remote_errors.yaml").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "endpoint", "environment", "line"),
    [
        ("s3://team/x", "up", NO_KEYS, f"no credentials (NoCredentialsError); {KEYS}"),
        (
            "s3://team/x",
            "up",
            {"AWS_SECRET_ACCESS_KEY": "wrong"},
            f"the secret key is wrong (SignatureDoesNotMatch); {KEYS}",
        ),
        ("s3://missing/x", "up", {}, "no such bucket (NoSuchBucket); create it, or "),
        ("s3://team/x", "https", {}, "no secure connection"),
        ("s3://team/x", "down", {}, "no answer (EndpointConnectionError); is it up, "),
        ("ssh://user@127.0.0.1:{port}/x", None, {}, "no answer (ECONNREFUSED); "),
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


def _named(name):
    """An error of this class, S3 code or errno, below one of DVC's that does not say it."""
    if name in vars(errno):
        cause: Exception = OSError(getattr(errno, name), "why")
    elif name.isdigit() or name == "ExpiredToken":
        cause = ClientError({"Error": {"Code": name}}, "HeadObject")
    else:
        cause = type(name, (OSError,), {})("why")
    error = OSError("it failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("entry", "name"), [(entry, name) for entry in TABLE for name in entry["names"]]
)
def test_every_known_error_is_explained(entry, name):
    line = explain([_named(name)], name="team", url="s3://team/dance")
    cause = entry["cause"].partition("{")[0]
    assert line.startswith(f"s3://team/dance: {cause}")
    assert f"({name}); " in line
    assert "{" not in line


def test_unknown_system_errors_keep_their_text_and_bugs_are_not_hidden():
    unknown = OSError("the tape robot\nis on strike")
    assert explain([unknown], name="team", url="x") == "x: the tape robot is on strike"
    assert explain([TypeError("ours")], name="team", url="x") is None


@pytest.mark.slow
def test_a_clone_without_a_remote_or_lock_names_the_owners_step(owner, folder):
    assert "names no remote; its owner runs `uv run motiontransfer share URL`" in (
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
    assert "ERROR: stage render failed; its output above says" in failed.stderr.splitlines()[-1]
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
    assert "stage detect@cleo_1 reads data/videos/cleo_1, which is not shared" in message
    assert "`uv run dvc add data/videos/cleo_1`" in message


SECRET = "secrets do not go into git: leave them out of the URL"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["s3://AKIAKEY:SECRET@team/dance"], f"s3://team/dance: {SECRET}"),
        (["ssh://me:SECRET@host/dance"], f"ssh://host/dance: {SECRET}"),
        (["webdavs://host/dance?token=SECRET"], f"webdavs://host/dance: {SECRET}"),
        (["s3:/bucket/x"], "s3:/bucket/x: not a URL; expected s3://bucket/x (or ./s3:/bucket/x "),
        (["ssh:///"], "ssh:///: not a URL; expected ssh:// "),
        ([f"{__file__}/x"], f"{__file__}/x: no such folder, and it cannot be made"),
        (["../remote", "--endpoint", "http://x"], "--endpoint: only s3:// remotes have one"),
        (["--profile", "me"], "--endpoint and --profile belong to a URL"),
    ],
)
def test_a_url_that_is_malformed_or_holds_a_secret_is_refused_and_config_stays(
    owner, arguments, line
):
    before = (owner.root / ".dvc/config").read_bytes()
    message = owner.error("share", *arguments)
    assert message.startswith(line)
    assert not [secret for secret in ("SECRET@", "=SECRET", "AKIAKEY") if secret in message]
    assert (SECRET in line) == (".dvc/config.local" in message)
    assert (owner.root / ".dvc/config").read_bytes() == before


def test_share_lists_stale_stages_and_prints_commands_quoted_for_the_shell(owner, folder):
    (owner.root / "data/videos/my cleo_1").write_text("cleo\n")
    (owner.root / "data/videos/my ben_1.dvc").write_text("outs: []\n")
    owner.edit(
        "params.yaml", "train: {steps: 1}", "  my cleo_1: {subject: cleo}\ntrain: {steps: 5}"
    )
    owner.edit("dvc.yaml", "cp data/videos/${key}", "cp 'data/videos/${key}'")
    output = owner.command("share", folder.url)
    assert "run `uv run dvc add 'data/videos/my cleo_1'`, then share again" in output
    assert "git add .dvc/config 'data/videos/my ben_1.dvc' dvc.yaml params.yaml, commit" in output
    (stale,) = [line for line in output.splitlines() if "not up to date" in line]
    assert "train" in stale
