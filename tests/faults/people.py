"""Videos with nobody, few or many people in view, from `decode` to the first training."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import yaml

from demo.actors.appearance import display
from demo.actors.choreography import compose
from demo.actors.renderer import film_run
from demo.actors.scenes import ROOMS, draw_plate
from motiontransfer.keypoints import read_detections, read_keypoints
from motiontransfer.skeleton import HOLISTIC
from tests.faults.outcomes import Case
from tests.tiny_project import ROOT, shrink_pipeline
from tests.video.conftest import write_test_video

SIZE = (128, 128)
RATE = 12
NUM_FRAMES = 24
STAGES = (
    *(("decode", "clip"), ("detect_keypoints", "clip"), ("clean_keypoints", "clip")),
    *(("fit_normalization", "ada"), ("fit_appearance", "ada"), ("train_gan", "ada")),
)
TRUNK = [HOLISTIC.index(f"{side}_{it}") for side in ("left", "right") for it in ("shoulder", "hip")]
MAX_ERROR_PX = 6


@cache
def dance(name="ada") -> tuple[np.ndarray, np.ndarray]:
    """Frames of an actor, and the true places of the joints."""
    motion = compose(NUM_FRAMES, frame_rate=RATE, beats_per_minute=112, seed=7)
    shots = film_run(name, motion, range(NUM_FRAMES), size=SIZE, samples=1)
    return np.stack([shot.frame for shot in shots]), np.stack([shot.joints for shot in shots])


def room() -> np.ndarray:
    """The actor's room without the actor."""
    return np.rint(display(draw_plate(ROOMS["ada"], SIZE).lit)).astype(np.uint8)


def empty() -> np.ndarray:
    return np.repeat(np.full((1, *SIZE, 3), 90, np.uint8), NUM_FRAMES, axis=0)


def there_only(frames: slice) -> np.ndarray:
    """The actor leaves the room, or comes late."""
    shown = np.repeat(room()[None], NUM_FRAMES, axis=0)
    shown[frames] = dance()[0][frames]
    return shown


def found():
    (path,) = Path("artifacts/keypoints/ada").glob("*.parquet")
    return read_keypoints(path)


def check_followed(truth=None, frames=slice(None)) -> None:
    """The trunk is where it was filmed."""
    truth = (dance()[1] if truth is None else truth)[frames][:, TRUNK]
    points, score = found().points[frames][:, TRUNK], found().score[frames][:, TRUNK]
    assert (score > 0).mean() > 0.8
    assert np.median(np.linalg.norm(points - truth, axis=-1)[score > 0]) < MAX_ERROR_PX


def check_gone(frames: slice) -> None:
    """Nobody is made up where nobody is."""
    assert not found().score[frames].any()


def check_half(first: slice, second: slice) -> None:
    check_followed(frames=first)
    check_gone(second)


def check_inside() -> None:
    points = found().points[found().score > 0]
    assert len(points)
    assert (points > -np.array(SIZE) / 2).all()
    assert (points < 1.5 * np.array(SIZE)).all()


def check_still() -> None:
    check_followed(truth=np.repeat(dance()[1][:1], NUM_FRAMES, axis=0))
    assert np.ptp(found().points[:, TRUNK], axis=0).max() < 1


def check_ten() -> None:
    (path,) = Path("artifacts/detections/ada").glob("*.parquet")
    detections = read_detections(path)
    assert 1 <= np.bincount(detections.frame_index).max() <= 4


def people_case(name, frames: Callable[[], np.ndarray], *, expected="handled", **options) -> Case:
    def prepare() -> None:
        shown = frames()
        write_test_video(Path("v.mp4"), list(shown), rate=RATE, pts_ms=TIMES, options=CRISP)
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        shrink_pipeline(params)
        params["decode"]["size"] = list(shown.shape[1:3])
        params |= {"videos": {"clip": {"path": "v.mp4", "subject": "ada"}}, "targets": ["ada"]}
        Path("params.yaml").write_text(yaml.safe_dump(params))

    return Case(name=name, prepare=prepare, stages=STAGES, expected=expected, **options)


TIMES = [round(1000 * index / RATE) for index in range(NUM_FRAMES)]
CRISP = {"crf": "12"}


def people() -> Iterator[Case]:
    """What films of people may show beside one whole person."""
    half = NUM_FRAMES // 2
    left, right = slice(None, half - 1), slice(half + 3, None)
    yield people_case("one person", lambda: dance()[0], check=check_followed)
    yield people_case("nobody", lambda: there_only(slice(0)), expected="refused")
    yield people_case("black", lambda: 0 * empty(), expected="refused")
    yield people_case("grey", empty, expected="refused")
    yield people_case("noise", noise, expected="refused")
    yield people_case("half a person, beside", beside, expected="refused")
    yield people_case("half a person, below", below, expected="refused")
    yield people_case("a head", head, expected="either", check=check_inside)
    yield people_case("ten people", ten, expected="either", check=check_ten)
    yield people_case(
        "gone for the second half",
        lambda: there_only(slice(half)),
        check=partial(check_half, left, right),
    )
    yield people_case(
        "there for the second half",
        lambda: there_only(slice(half, None)),
        check=partial(check_half, slice(half, None), slice(half - 3)),
    )
    yield people_case(
        "there for the last frames", lambda: there_only(slice(-3, None)), expected="refused"
    )
    yield people_case("there for one frame", lambda: there_only(slice(9, 10)), expected="refused")
    yield people_case("static", lambda: dance()[0][[0] * NUM_FRAMES], check=check_still)
    yield people_case("cuts between rooms", cuts, expected="either", check=check_inside)
    yield people_case("jumps in time", jumps, check=lambda: check_followed(dance()[1][JUMPS]))


JUMPS = np.r_[0:4, 14:18, 6:10, 20:24, 0:4, 10:14]


def jumps() -> np.ndarray:
    return dance()[0][JUMPS]


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (NUM_FRAMES, *SIZE, 3), dtype=np.uint8)


def beside() -> np.ndarray:
    """Shifted until the edge of the frame cuts the actor through the middle."""
    middle = round(float(np.median(dance()[1][..., 0])))
    return np.pad(dance()[0][:, :, middle:], ((0, 0), (0, 0), (0, middle), (0, 0)), "edge")


def below() -> np.ndarray:
    """Shifted until the legs are below the frame."""
    hips = round(float(np.median(dance()[1][:, TRUNK, 1])))
    return np.pad(dance()[0][:, :hips], ((0, 0), (SIZE[0] - hips, 0), (0, 0), (0, 0)), "edge")


def head() -> np.ndarray:
    """A square around the head, enlarged."""
    x, y = np.median(dance()[1][:, HOLISTIC.index("nose")], axis=0).round().astype(int)
    part = dance()[0][:, max(y - 16, 0) : max(y - 16, 0) + 32, max(x - 16, 0) : max(x - 16, 0) + 32]
    return part.repeat(4, axis=1).repeat(4, axis=2)[:, : SIZE[0], : SIZE[1]]


def ten() -> np.ndarray:
    """Five beside each other in two rows."""
    return np.tile(dance()[0][:, :, SIZE[1] // 4 : -SIZE[1] // 4], (1, 2, 5, 1))


def cuts() -> np.ndarray:
    """Another person in another room, and back, mirrored."""
    shown = dance()[0].copy()
    shown[8:16] = dance("ben")[0][8:16]
    shown[16:] = shown[16:, :, ::-1]
    return shown
