"""Post-training quantization of an exported generator to int8, by NNCF.

Convolutions get weights and activations of 8 bits, with the ranges that these have for the target's
own poses. The rest stays in fp32: sums and the frame's composition would lose most and gain least.
"""

import logging
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from motiontransfer.export.player import GENERATOR_FILE, QUANTIZED_FILE, Inputs, Output, Player
from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.openvino_holistic import openvino_core
from motiontransfer.target_clips import spread

LIBRARIES = ("nncf", "openvino")
_NUM_FRAMES = 64  # of each clip
_EXACT_OPERATIONS = ("Add", "Concat", "Multiply", "Subtract")


def quantize_generator(folder: Path, calibration: Sequence[Keypoints]) -> None:
    """Write an exported generator in int8 beside it, calibrated on the target's own poses."""
    core = openvino_core()
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it misses CUDA
    nncf, openvino = import_module("nncf"), import_module("openvino")
    nncf.set_log_level(logging.ERROR)
    model = core.read_model(folder / GENERATOR_FILE)
    names = {it.get_any_name() for it in model.inputs}
    seen = [
        {name: image for name, image in inputs.items() if name in names}
        for inputs in _inputs(Player(folder, engine="openvino"), calibration)
    ]
    quantized = nncf.quantize(
        model,
        nncf.Dataset(seen),
        subset_size=len(seen),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(types=[*_EXACT_OPERATIONS], validate=False),
    )
    openvino.save_model(quantized, folder / QUANTIZED_FILE, compress_to_fp16=False)


def _inputs(player: Player, clips: Sequence[Keypoints]) -> list[Inputs]:
    """What the generator reads, of frames all over the clips."""
    seen: list[Inputs] = []
    generate = player.network

    def watched(inputs: Inputs) -> Output:
        seen.append(inputs)
        return generate(inputs)

    player.network = watched
    for clip in clips:
        for _ in player.play(clip.part(spread(range(clip.num_frames), count=_NUM_FRAMES))):
            pass
    return seen
