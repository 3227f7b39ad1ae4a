import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from motiontransfer.core.errors import CheckpointError, DamagedFileError, MotionTransferError
from motiontransfer.core.params import load_section
from motiontransfer.core.storage import read_checked_json, write_checked_json, write_json
from motiontransfer.evaluation.measurements import (
    Measurements,
    MetricKey,
    read_measurements,
    write_measurements,
)
from motiontransfer.models.weights import (
    read_appearance,
    read_description,
    read_tensors,
    write_weights,
)
from motiontransfer.pose import keypoints
from motiontransfer.puppet.appearance import pack_appearance, write_appearance
from motiontransfer.puppet.masks import PersonMasks, read_masks, write_masks
from motiontransfer.rendering.rendered import Rendered, read_rendered, write_rendered
from motiontransfer.retargeting.statistics import fit_statistics, read_statistics, write_statistics
from motiontransfer.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from motiontransfer.training.run_log import Throughput
from motiontransfer.video.clip import (
    Clip,
    read_clip,
    read_source_frames,
    write_description,
    write_index,
)
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import fit_framing
from motiontransfer.video.writer import store_sound, write_video
from tests.evaluation.conftest import ratio_of
from tests.people import dance, everyone, puppet_of, standing
from tests.training.small import STYLE
from tests.video.conftest import write_test_sound


def partly_filled() -> keypoints.Keypoints:
    """With joints that were filled in."""
    someone = standing(9)
    is_filled = np.random.default_rng(0).random(someone.score.shape) < 0.1
    return replace(someone, filled=is_filled)


def write_store(path: Path) -> None:
    """Smooth frames, so that there is as much description as picture."""
    ramp = np.linspace(0, 200, 32 * 48 * 3).reshape(32, 48, 3)
    frames = ((ramp + 4 * index).astype(np.uint8) for index in range(8))
    write_frames(path, frames, frame_rate=Fraction(25))


def read_frames(path: Path) -> object:
    with FrameStore(path) as store:
        return store.size, store.frame_rate, np.stack(list(store.frames()))


def read_frames_backwards(path: Path) -> object:
    with FrameStore(path) as store:
        return store.size, np.stack([store[index] for index in reversed(range(len(store)))])


def read_chosen_frames(path: Path) -> object:
    with FrameStore(path) as store:
        return np.stack(list(store.chosen(range(1, 8, 3))))


def write_detection_video(path: Path) -> None:
    ramp = np.linspace(0, 200, 32 * 48 * 3).reshape(32, 48, 3)
    frames = ((ramp + 4 * index).astype(np.uint8) for index in range(8))
    write_video(path, frames, frame_rate=Fraction(25))


def write_sound(path: Path) -> None:
    source = write_test_sound(path.with_name("source.wav"), codec="pcm_s16le", seconds=0.2)
    store_sound(source, path, origin_seconds=0.0)


def read_sound(path: Path) -> object:
    """As `encode` copies it."""
    made = path.with_name("made.mp4")
    frame = np.zeros((16, 16, 3), np.uint8)
    write_video(made, [frame] * 3, frame_rate=Fraction(10), sound=path)
    return made.read_bytes()


def write_clip(path: Path) -> None:
    write_store(path.parent / "frames.mkv")
    framing = fit_framing((32, 48), (0, 0, 48, 32), size=(32, 48))
    clip = Clip(
        frames=path.parent / "frames.mkv",
        sound=None,
        sound_offset_seconds=0.0,
        framing=framing,
        frame_rate=Fraction(25),
        num_frames=8,
    )
    write_description(path.parent, clip, source={})


def write_some_statistics(path: Path) -> None:
    found = fit_statistics([dance(9)], min_score=0.3, cluster_fraction=None, outlier_quantile=0.98)
    write_statistics(path, found)


def write_some_rendered(path: Path) -> None:
    rendered = Rendered(style=STYLE, full_size=(32, 48), assertion={"source": {}})
    frame = np.zeros((16, 16, 3), np.uint8)
    write_rendered(path.parent / "new", [frame], rendered, frame_rate=Fraction(25))
    (path.parent / "new/rendered.json").rename(path)


def write_clip_index(path: Path) -> None:
    write_index(
        path,
        frame_rate=Fraction(25),
        source_starts_seconds=np.arange(40) / 30,
        source_frame_index=np.arange(40) * 25 // 30,
    )


def write_keys_of_video(path: Path) -> None:
    write_checked_json(path, {"videos": {"dance": {"path": "dance.mp4", "subject": "ada"}}})


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def read_weights(path: Path) -> object:
    description, loaded = read_description(path), network()
    loaded.load_state_dict(read_tensors(path)[0])
    return description, {name: values.numpy() for name, values in loaded.state_dict().items()}


def write_one_checkpoint(path: Path) -> None:
    state = {"step": torch.tensor(3), "half": torch.randn(9).bfloat16(), "whole": torch.randn(5)}
    throughput = Throughput(steps=7, minutes=1.0, waiting_minutes=0.5)
    save_checkpoint(path.parent, Checkpoint(throughput, state))


def read_one_checkpoint(path: Path) -> object:
    checkpoint = load_checkpoint(path.parent)
    assert checkpoint is not None
    state = {name: values.float().numpy() for name, values in checkpoint.state.items()}
    return checkpoint.throughput, state


def write_some_measurements(path: Path) -> None:
    scores = {MetricKey("l1", "person", "ours"): ratio_of(np.array([1.0, np.nan, 3.0]))}
    write_measurements(path, Measurements.from_scores(scores, block_frames=1))


def write_some_masks(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 7), np.uint8)
    indices, is_drawn = np.array([3, 8], np.int32), np.array([False, True])
    write_masks(path, PersonMasks(frame_index=indices, masks=pixels, is_drawn=is_drawn))


def as_dict(found: Any) -> dict[str, object]:
    return {field.name: getattr(found, field.name) for field in fields(found)}


@dataclass(frozen=True)
class Format:
    name: str
    write: Callable[[Path], None]
    read: Callable[[Path], Any]


FORMATS = {
    "frames": Format("frames.mkv", write_store, read_frames),
    "frames by index": Format("frames.mkv", write_store, read_frames_backwards),
    "encoded frames": Format("frames.mkv", write_store, read_chosen_frames),
    "detectors' frames": Format("detection.mkv", write_detection_video, read_frames),
    "sound": Format("sound.mka", write_sound, read_sound),
    "keys of a video": Format(
        "decode.json", write_keys_of_video, lambda path: load_section(dict, "videos", path=path)
    ),
    "clip": Format("clip.json", write_clip, lambda path: read_clip(path.parent)),
    "statistics": Format("ada.json", write_some_statistics, read_statistics),
    "rendered frames": Format(
        "rendered.json", write_some_rendered, lambda path: read_rendered(path.parent)
    ),
    "clip index": Format(
        "index.parquet", write_clip_index, lambda path: read_source_frames(path.parent)
    ),
    "keypoints": Format(
        "clip.parquet",
        lambda path: keypoints.write_keypoints(path, partly_filled()),
        lambda path: as_dict(keypoints.read_keypoints(path)),
    ),
    "detections": Format(
        "clip.parquet",
        lambda path: keypoints.write_detections(path, everyone(standing(6), dance(6, missing=[2]))),
        lambda path: as_dict(keypoints.read_detections(path)),
    ),
    "masks": Format("masks.parquet", write_some_masks, lambda path: as_dict(read_masks(path))),
    "measurements": Format(
        "ada.parquet", write_some_measurements, lambda path: as_dict(read_measurements(path))
    ),
    "appearance": Format(
        "ada.safetensors",
        lambda path: write_appearance(path, puppet_of(dance(3), range(3)).appearance),
        lambda path: pack_appearance(read_appearance(path)),
    ),
    "weights": Format(
        "generator.safetensors",
        lambda path: write_weights(path, network(), description={"size": [3, 4]}),
        read_weights,
    ),
    "checkpoint": Format("step_00000007.safetensors", write_one_checkpoint, read_one_checkpoint),
}


def check_refused_or_equal(kind: Format, path: Path, expected: object) -> None:
    message, got = None, expected
    try:
        got = kind.read(path)
    except MotionTransferError as error:
        message = str(error)
    np.testing.assert_equal(got, expected)
    assert message is None or (path.name in message and "\n" not in message)


@pytest.fixture(params=FORMATS)
def kind(request):
    return FORMATS[request.param]


@pytest.fixture
def written(kind, tmp_path):
    path = tmp_path / kind.name
    kind.write(path)
    return path


def test_a_flipped_bit_is_refused_or_changes_nothing(kind, written):
    expected, content = kind.read(written), written.read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(content), 60).tolist():
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        written.write_bytes(damaged)
        check_refused_or_equal(kind, written, expected)


def test_a_cut_file_is_refused(kind, written):
    content = written.read_bytes()
    for length in np.linspace(0, len(content) - 2, 20).astype(int).tolist():
        written.write_bytes(content[:length])
        with pytest.raises(MotionTransferError, match=written.name) as info:
            kind.read(written)
        assert "\n" not in str(info.value)


class Payload:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("PWNED"),)


def test_other_content_is_refused_and_a_terabyte_not_read(kind, written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    contents = [pickle.dumps(Payload()), b"hello\n" * 99, np.random.default_rng(0).bytes(5000)]
    if written.suffix != ".json":  # text is read as a whole
        os.truncate(written, 2**40)
        contents.insert(0, None)
    for content in contents:
        if content is not None:
            written.write_bytes(content)
        with pytest.raises(MotionTransferError, match=written.name) as info:
            kind.read(written)
        assert "\n" not in str(info.value)
    assert not Path("PWNED").exists()


@pytest.mark.parametrize("name", ["keypoints", "clip index", "weights", "checkpoint", "clip"])
def test_a_file_without_checksums_is_refused(name, tmp_path):
    """As earlier versions wrote it."""
    kind = FORMATS[name]
    path = tmp_path / kind.name
    kind.write(path)
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        pq.write_table(table.replace_schema_metadata({}), path)
    elif path.suffix == ".json":
        content = read_checked_json(path)
        write_json(path, content)
    else:
        save_file(load_file(path), path, metadata={"motiontransfer": '{"format_version": 1}'})
    with pytest.raises((DamagedFileError, CheckpointError)) as info:
        kind.read(path)
    error = info.value.__cause__ if name == "checkpoint" else info.value
    assert "with checksums, got none" in str(error)
    assert "make it again with `dvc repro`" in str(error)
