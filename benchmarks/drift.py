"""Whether a long roll-out drifts: a minute of new dancing, generated from its poses in one go.

    uv run python -m benchmarks.drift artifacts/models/ada [MODELS_FOLDER ...] [--seconds 60]

A MODELS_FOLDER holds a generator.safetensors of the demo's target: of this project, or of an
experiment with another recipe beside it. The target is filmed in a dance that she was never trained
on; the generator gets the true joints, and her box in its frames is compared with the film: SSIM in
the first and in the last window. Because a dance is not equally hard all the time, the last window
is also generated *anew*, from zeros, and from the *real* previous frames, so that no error adds up.
"""

import argparse
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.machine import recorded
from demo.actors.choreography import compose
from demo.actors.renderer import film_clip, true_keypoints
from motiontransfer.evaluation.frames import person_regions
from motiontransfer.evaluation.image_metrics import frame_metrics
from motiontransfer.fabric import Fabric
from motiontransfer.keypoints import Keypoints
from motiontransfer.models.roll_out import StreamingRollOut
from motiontransfer.parallel import Compute
from motiontransfer.progress import track
from motiontransfer.training.distributed import make_fabric
from motiontransfer.training.weights import TrainedGenerator, read_generator
from motiontransfer.video.tensors import Frame, frames_to_tensor, tensor_to_frames

_ACTOR, _FRAME_RATE, _BEATS_PER_MINUTE, _SEED = "ada", 25, 112, 60
_SAMPLES = 2  # rays along each side of a pixel, as in the demo
_BOX_MARGIN = 0.1  # as `evaluate.box_margin`


def main() -> None:
    """Film, generate and compare; a row for each generator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", help="folders with generator.safetensors")
    parser.add_argument("--seconds", type=int, default=60, help="length of the dance")
    parser.add_argument("--window", type=int, default=10, help="seconds that are compared")
    arguments = parser.parse_args()
    trained = {
        str(folder): read_generator(folder / "generator.safetensors") for folder in arguments.models
    }
    sizes = {one.config.size for one in trained.values()}
    if len(sizes) > 1:
        parser.error(f"expected generators of frames of one size, got {sorted(sizes)}")
    real, keypoints = _film(arguments.seconds, sizes.pop())
    window = arguments.window * _FRAME_RATE
    first, last = slice(window), slice(len(real) - window, None)
    fabric = make_fabric(precision="auto")
    with recorded("drift") as rows:
        for name, one in trained.items():
            one.network.to(fabric.device)
            whole = list(_roll_out(one, keypoints, fabric))
            poses = keypoints.part(range(len(real))[last])
            ssim = {
                "first": _ssim(real[first], whole[first], keypoints.part(range(window))),
                "last": _ssim(real[last], whole[last], poses),
                "last, anew": _ssim(real[last], _roll_out(one, poses, fabric), poses),
                "last, real": _ssim(real[last], _roll_out(one, poses, fabric, real[last]), poses),
            }
            values = {window_name: round(value, 3) for window_name, value in ssim.items()}
            rows.append(
                {"weights": name, **values, "last / first": round(ssim["last"] / ssim["first"], 3)}
            )


def _film(seconds: int, size: tuple[int, int]) -> tuple[list[Frame], Keypoints]:
    """The target in a dance of her own, and her true joints."""
    motion = compose(
        seconds * _FRAME_RATE,
        frame_rate=float(_FRAME_RATE),
        beats_per_minute=_BEATS_PER_MINUTE,
        seed=_SEED,
    )
    compute = Compute(backend="local", address=None, num_workers=0)
    filmed = film_clip(_ACTOR, motion, size=size, samples=_SAMPLES, compute=compute)
    shots = list(track(filmed, "film", total=len(motion.angles)))
    joints = np.array([shot.joints for shot in shots])
    keypoints = true_keypoints(joints, size=size, frame_rate=Fraction(_FRAME_RATE))
    return [shot.frame for shot in shots], keypoints


def _roll_out(
    trained: TrainedGenerator, poses: Keypoints, fabric: Fabric, real: Sequence[Frame] = ()
) -> Iterator[Frame]:
    """Generate a frame for every pose; `real` ones stand for the generated previous frames."""
    frames = StreamingRollOut(
        trained.network,
        skeleton=poses.skeleton,
        size=poses.image_size,
        style=trained.style,
        autocast=fabric.autocast,
    ).extend(poses.points, poses.score)
    sent = None
    for index in range(poses.num_frames):
        yield tensor_to_frames(frames.send(sent)[None])[0]
        sent = frames_to_tensor([real[index]]).to(fabric.device) if real else None


def _ssim(
    real: Sequence[Frame], fake: Iterator[Frame] | Sequence[Frame], poses: Keypoints
) -> float:
    """Mean over the frames, in the person's box."""
    boxes = person_regions(poses, margin=_BOX_MARGIN)
    pairs = zip(real, fake, boxes, strict=True)
    return float(
        np.mean([frame_metrics(*pair, boxes={"p": box})["p"]["ssim"] for *pair, box in pairs])
    )


if __name__ == "__main__":
    main()
