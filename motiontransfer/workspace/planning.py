"""The cost model fed with what is known of this project and this machine.

Hides where the length of a clip comes from: what `decode` wrote, or else the file itself.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from motiontransfer.errors import MotionTransferError
from motiontransfer.media.reading import read_facts
from motiontransfer.params import PARAMS_FILE, load_params
from motiontransfer.workspace.cost import GPU_KINDS, Plan, generator_gmacs
from motiontransfer.workspace.machine import num_cores


def read_plan(
    root: Path,
    *,
    known_frames: Mapping[str, int] | None = None,
    kinds: Collection[str] = GPU_KINDS,
) -> Plan:
    """What decides the amount of work here; videos that cannot be read count as empty.

    Args:
        known_frames: of videos whose length the caller knows.
        kinds: of the stages in question; PyTorch is loaded only for those that need it.

    Raises:
        ParamsError: params.yaml is wrong.
        MissingFileError: there is none.
    """
    params = load_params(root / PARAMS_FILE)
    videos = params.get("videos")
    frames = {
        name: _num_frames(root, name, video)
        for name, video in (videos.items() if isinstance(videos, Mapping) else ())
        if isinstance(video, Mapping)
    }
    return Plan(
        params=params,
        frames={**frames, **(known_frames or {})},
        num_cores=num_cores(),
        gmacs=generator_gmacs(params) if set(kinds) & set(GPU_KINDS) else 0.0,
    )


def _num_frames(root: Path, name: str, video: Mapping[str, object]) -> int:
    try:
        metrics = root / f"artifacts/metrics/decode/{name}.json"
        return int(json.loads(metrics.read_text(encoding="utf-8"))["frames"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        return read_facts(root / str(video.get("path"))).num_frames or 0
    except MotionTransferError:  # not filmed yet, not pulled, or damaged: the stage will say so
        return 0
