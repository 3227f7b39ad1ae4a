"""Throw-away servers on loopback that hold a team's remote: S3 with access control, and sshd."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest

from tests.command import isolated_environment

BUCKET = "team"
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A remote and the environments that open it."""

    url: str
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    """Of a reader and writer."""
    reader: dict[str, str] = field(default_factory=dict)
    """Of a reader."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(find, *, seconds: float = 120.0):
    """What a function finds, as soon as it does."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def s3_store(folder: Path) -> Iterator[Remote]:
    """An S3 endpoint that knows two users, and refuses everyone else."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with (folder / "moto.log").open("w") as log:
        server = subprocess.Popen(
            ["python", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env=isolated_environment(folder), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_for(lambda: answers(port))
        s3_client(endpoint, {}).create_bucket(Bucket=BUCKET)
        writer = _new_user(endpoint, "writer", "s3:*")
        reader = _new_user(endpoint, "reader", ["s3:GetObject", "s3:ListBucket"])
        binary = {"Content-Type": "application/octet-stream"}
        demand = urllib.request.Request(f"{endpoint}/moto-api/reset-auth", b"0", binary)
        urllib.request.urlopen(demand).close()
        how = {"options": ("--endpoint", endpoint), "environment": writer, "reader": reader}
        yield Remote(url=f"s3://{BUCKET}/dance", **how)
    finally:
        server.kill()
        server.wait()


def s3_client(endpoint: str, environment: dict[str, str], service: str = "s3"):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID", "any"),
        aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY", "any"),
    )


def _new_user(endpoint: str, name: str, actions) -> dict[str, str]:
    iam = s3_client(endpoint, {}, "iam")
    allowed = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    names = {"AWS_ACCESS_KEY_ID": "AccessKeyId", "AWS_SECRET_ACCESS_KEY": "SecretAccessKey"}
    return {variable: key[name] for variable, name in names.items()}


@contextmanager
def ssh_host(folder: Path) -> Iterator[Remote]:
    """An sshd with a host key of its own that lets one key write and one only read."""
    if SSHD is None:
        if os.environ.get("FAIL_WITHOUT_SSHD"):
            pytest.fail("no sshd, and FAIL_WITHOUT_SSHD is set")
        pytest.skip("no sshd on this machine")
    for name in ("host", "writer", "reader", "stranger"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    writer, reader = ((folder / f"{name}.pub").read_text() for name in ("writer", "reader"))
    (folder / "authorized").write_text(f'{writer}command="internal-sftp -R" {reader}')
    port = free_port()
    settings = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized", "PidFile": "none", "StrictModes": "no",
        "UsePAM": "no", "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no",
        "Subsystem": "sftp internal-sftp",
    }  # fmt: skip
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd separates privileges
    with (folder / "sshd.log").open("w") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        wait_for(lambda: answers(port))
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True)
        (folder / "store").mkdir()
        yield Remote(
            url=f"ssh://{user.stdout.strip()}@127.0.0.1:{port}{folder}/store",
            environment={"HOME": str(ssh_home(folder, "writer"))},
            reader={"HOME": str(ssh_home(folder, "reader"))},
        )
    finally:
        server.kill()
        server.wait()


def ssh_home(folder: Path, key: str) -> Path:
    """A home folder whose ssh has this key."""
    home = folder / f"home_{key}"
    if not home.exists():
        (home / ".ssh").mkdir(parents=True)
        shutil.copy(folder / key, home / ".ssh/id_ed25519")
    return home
