import os
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from motiontransfer.body.motion import read_motion
from motiontransfer.core.errors import CheckpointError, DamagedFileError, MotionTransferError
from motiontransfer.core.params import load_params, load_section
from motiontransfer.core.storage import read_checked_json, write_json
from motiontransfer.core.tensor_files import read_description
from motiontransfer.evaluation.measurements import read_measurements
from motiontransfer.models.weights import read_tensors
from motiontransfer.plate.masks import read_masks
from motiontransfer.pose.keypoints_file import read_detections, read_keypoints
from motiontransfer.puppet.appearance import pack_appearance
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.rendering.rendered import read_rendered
from motiontransfer.retargeting.statistics import read_statistics
from motiontransfer.training.checkpoint import (
    Checkpoint,
    Throughput,
    load_checkpoint,
    save_checkpoint,
)
from motiontransfer.video.clip import read_clip, read_source_frames
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import Sound, write_video


def read_frames(path: Path) -> object:
    with FrameStore(path) as store:
        return store.size, store.frame_rate, np.stack(list(store.frames()))


def read_frames_backwards(path: Path) -> object:
    with FrameStore(path) as store:
        return store.size, np.stack([store[index] for index in reversed(range(len(store)))])


def read_chosen_frames(path: Path) -> object:
    with FrameStore(path) as store:
        return np.stack(list(store.chosen(range(1, 8, 3))))


def read_sound(path: Path) -> object:
    """As `encode` copies it."""
    made = path.with_name("made.mp4")
    frame = np.zeros((16, 16, 3), np.uint8)
    write_video(made, [frame] * 3, frame_rate=Fraction(10), sound=Sound(path))
    return made.read_bytes()


def read_weights(path: Path) -> object:
    return read_description(path), {
        name: values.numpy() for name, values in read_tensors(path).items()
    }


def read_one_checkpoint(path: Path) -> object:
    checkpoint = load_checkpoint(path.parent)
    assert checkpoint is not None
    state = {name: values.float().numpy() for name, values in checkpoint.state.items()}
    return checkpoint.throughput, state


def by_field(read: Callable[[Path], Any]) -> Callable[[Path], object]:
    def read_fields(path: Path) -> object:
        found = read(path)
        return {field.name: getattr(found, field.name) for field in fields(found)}

    return read_fields


def of_folder(read: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda path: read(path.parent)


Reader = Callable[[Path], Any]
READERS: dict[str, tuple[Reader, ...]] = {
    "videos/*/*.json": (lambda path: load_section(dict, "videos", path=path),),
    "params_of_results.json": (load_params,),
    "frames/*/*/frames.mkv": (read_frames, read_frames_backwards, read_chosen_frames),
    "frames/*/*/sound.mka": (read_sound,),
    "frames/*/*/clip.json": (of_folder(read_clip),),
    "frames/*/*/index.parquet": (of_folder(read_source_frames),),
    "detections/*/*.parquet": (by_field(read_detections),),
    "keypoints/*/*.parquet": (by_field(read_keypoints),),
    "motion/*/*.parquet": (by_field(read_motion),),
    "masks/*/*.parquet": (by_field(read_masks),),
    "poses/*/poses.parquet": (by_field(read_keypoints),),
    "statistics/*.json": (read_statistics,),
    "models/*/appearance.safetensors": (lambda path: pack_appearance(read_appearance(path)),),
    "models/*/[!a]*.safetensors": (read_weights,),
    "rendered/*/frames.mkv": (read_frames,),
    "rendered/*/rendered.json": (of_folder(read_rendered),),
    "measurements/*/*.parquet": (by_field(read_measurements),),
    "counts/*/evaluate.parquet": (by_field(read_measurements),),
    "step_00000007.safetensors": (read_one_checkpoint,),
    "detection.mkv": (read_frames,),
}
"""How stages read the files of these names below artifacts/; the last two are made below."""
NOT_CHECKED = (
    *("code/*.json", "params_checked.json", "counts/*/*.json"),
    "models/*/appearance.png",
)
"""Files that no stage opens; counts, metrics and pictures, which are for people."""
CASES = [(name, read) for name, readers in READERS.items() for read in readers]


@pytest.fixture(params=CASES, ids=[f"{name} {read.__name__}" for name, read in CASES])
def damaged(request, tiny_run, tmp_path) -> tuple[Path, Reader]:
    """A file to be damaged, beside those of its folder, and its reader."""
    pattern, read = request.param
    made = tmp_path / pattern
    if pattern.startswith("step_"):
        torch.manual_seed(0)
        state = {"step": torch.tensor(3), "half": torch.randn(9).half()}
        throughput = Throughput(steps=7, minutes=1.0, waiting_minutes=0.5)
        save_checkpoint(tmp_path, Checkpoint(throughput, state))
    elif pattern == "detection.mkv":
        ramp = np.linspace(0, 200, 32 * 48 * 3).reshape(32, 48, 3)
        frames = [(ramp + 4 * index).astype(np.uint8) for index in range(8)]
        write_video(made, frames, frame_rate=Fraction(25))
    else:
        whole = min((tiny_run / "artifacts").glob(pattern))
        made = shutil.copytree(whole.parent, tmp_path / "copy") / whole.name
    return made, read


def check_refused(read: Reader, path: Path) -> None:
    with pytest.raises(MotionTransferError, match=re.escape(path.name)) as info:
        read(path)
    assert "\n" not in str(info.value)


def test_all_files_of_the_pipeline_that_a_stage_reads_are_here(tiny_run):
    lock = yaml.safe_load((tiny_run / "dvc.lock").read_text())
    deps = {dep["path"] for stage in lock["stages"].values() for dep in stage["deps"]}
    listed = [tiny_run / dep for dep in deps if dep.startswith("artifacts/")]
    files = {file for dep in listed for file in (dep, *dep.rglob("*")) if file.is_file()}
    for name in (*READERS, *NOT_CHECKED):
        files.difference_update((tiny_run / "artifacts").glob(name))
    assert files == set()


def test_a_flipped_bit_is_refused_or_changes_nothing(damaged):
    """Half of them among the first and the last 1000 bytes, where descriptions are."""
    path, read = damaged
    expected, content = read(path), path.read_bytes()
    rng, size = np.random.default_rng(1), len(content)
    ends = [*range(min(size, 1000)), *range(max(0, size - 1000), size)]
    for place in [*rng.integers(0, size, 30).tolist(), *rng.choice(ends, 30).tolist()]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        message, got = path.name, expected
        try:
            got = read(path)
        except MotionTransferError as error:
            message = str(error)
        np.testing.assert_equal(got, expected)
        assert path.name in message
        assert "\n" not in message


def test_a_cut_file_is_refused(damaged):
    path, read = damaged
    content = path.read_bytes()
    for length in np.linspace(0, len(content) - 2, 20).astype(int).tolist():
        path.write_bytes(content[:length])
        check_refused(read, path)


class Payload:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("PWNED"),)


def test_other_content_is_refused_and_a_terabyte_not_read(damaged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, read = damaged
    if path.suffix != ".json":  # text is read as a whole
        os.truncate(path, 2**40)
        check_refused(read, path)
    noise = np.random.default_rng(0).bytes(5000)
    for content in (pickle.dumps(Payload()), b"hello\n" * 99, noise):
        path.write_bytes(content)
        check_refused(read, path)
    assert not Path("PWNED").exists()


def test_a_file_without_checksums_is_refused(damaged):
    """As earlier versions wrote it."""
    path, read = damaged
    if path.suffix == ".parquet":
        pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)
    elif path.suffix == ".json":
        write_json(path, read_checked_json(path))
    elif path.suffix == ".safetensors":
        save_file(load_file(path), path, metadata={"motiontransfer": '{"format_version": 1}'})
    else:
        return  # videos of users have none
    with pytest.raises((DamagedFileError, CheckpointError)) as info:
        read(path)
    error = info.value.__cause__ or info.value
    assert "with checksums, got none" in str(error)
    assert "make it again with `dvc repro`" in str(error)
