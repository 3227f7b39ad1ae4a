"""MediaPipe's detectors: Holistic for one person's joints, pose landmarks for several bodies."""

import itertools
import os
import re
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
from jaxtyping import Float32

from motiontransfer.core.arrays import AnyFrame, Box
from motiontransfer.core.downloads import pretrained_file
from motiontransfer.core.errors import MissingFileError, WeightsError
from motiontransfer.pose.keypoints import People
from motiontransfer.pose.landmarks import Detector, Landmarks, Limits, boxes_of_people, detector_of
from motiontransfer.pose.openvino_holistic import HANDS, around_hand, crop_of, placed
from motiontransfer.pose.published import POSE_BUNDLES, WHEEL

_UNUSED = ("matplotlib", "matplotlib.pyplot")  # half of MediaPipe's start, for its own plots
_unused = {name: ModuleType(name) for name in _UNUSED if name not in sys.modules}
try:
    sys.modules.update(_unused)
    import mediapipe
    from mediapipe.framework.formats.rect_pb2 import NormalizedRect as NormalizedRect  # ty: ignore[import-not-found]
    from mediapipe.python import packet_creator, packet_getter
    from mediapipe.python.solutions.hands import Hands
    from mediapipe.python.solutions.holistic import Holistic
    from mediapipe.tasks.python import BaseOptions, vision
finally:
    for name in _unused:
        del sys.modules[name]

# A second look for a hand.
_SEEN_WRIST = 0.5  # least visibility of its wrist
_AROUND = 2.5  # side of the square, relative to Holistic's: a hand towards the camera looks short
_SQUARE_PX = 256
_FARTHEST_WRIST = 0.15  # of the hand from the body's; share of the square's side
_ANOTHER_HAND = 0.1  # least distance between the centers of two hands; share of the square's side

_NOBODY = np.zeros((32, 32, 3), np.uint8)
_MAX_PEOPLE = 4  # looked for where no param says how many
_FULL_MODEL = 1  # of the pose models 0 lite, 1 full, 2 heavy the one in the wheel


def mediapipe_models() -> Path:
    """Folder of the networks in MediaPipe's package, TFLite files."""
    return Path(mediapipe.__file__).parent / "modules"


@contextmanager
def open_holistic(limits: Limits) -> Generator[Detector]:
    """Body, hands and face of the most prominent person, who is followed from frame to frame."""
    # MediaPipe's threads log at any time, so stderr is redirected until they have ended.
    with (
        native_stderr_hidden(),
        Holistic(
            model_complexity=_FULL_MODEL,
            smooth_landmarks=False,
            min_detection_confidence=limits.min_detection_confidence,
            min_tracking_confidence=limits.min_tracking_confidence,
        ) as graph,
        Hands(
            static_image_mode=True,
            max_num_hands=1,
            model_complexity=_FULL_MODEL,
            min_detection_confidence=limits.min_detection_confidence,
        ) as hands,
    ):
        find = partial(_holistic_people, graph, hands)
        yield detector_of(find, min_visibility=limits.min_visibility)


@contextmanager
def open_unrelated() -> Generator[Callable[[AnyFrame], People]]:
    """Yield the default detector for unrelated frames: the most prominent person of each."""
    with open_holistic(Limits()) as detect:
        # After a frame without anyone the graph follows nobody, like a new one, which is slow.
        yield lambda frame: detect([_NOBODY, frame])[1]


def person_boxes(frames: Iterable[AnyFrame]) -> list[list[Box]]:
    """Boxes around people, with a margin, in each of some frames.

    Whatever the detector of the video is: a decoded video depends on none.
    """
    with open_bodies() as detect:
        return [boxes_of_people(*detect([frame]), image_size=frame.shape[:2]) for frame in frames]


def _holistic_people(graph: Holistic, hands: Hands, frame: AnyFrame) -> list[Landmarks]:
    found: Any = graph.process(frame)
    person = {
        group: _unpack(landmarks.landmark)
        for group in ("pose", "left_hand", "right_hand", "face")
        if (landmarks := getattr(found, f"{group}_landmarks"))
    }
    if "pose" in person:
        person["world"] = _in_world(found.pose_world_landmarks.landmark)
        person |= _missed_hands(hands.process, frame, person)
    return [person] if person else []


def _missed_hands(
    look: Callable[[AnyFrame], Any], frame: AnyFrame, person: Landmarks
) -> dict[str, Float32[np.ndarray, "points 3"]]:
    """Hands at wrists that are seen, by MediaPipe's palm detector, which Holistic lacks."""
    size, found = np.array(frame.shape[1::-1]), {}
    for group, joints in HANDS.items():
        if group in person or person["pose"][joints[0], 2] < _SEEN_WRIST:
            continue
        wrist, *others = person["pose"][[*joints], :2].astype(float) * size
        tilted = around_hand(wrist, *others)
        side = _AROUND * float(np.linalg.norm(tilted[:, 0]))
        (center,) = placed(np.full((1, 2), 0.5), tilted)
        square = np.column_stack([side * np.eye(2), center - side / 2])
        for hand in look(crop_of(frame, square, _SQUARE_PX)).multi_hand_landmarks or ():
            points = placed(_unpack(hand.landmark)[:, :2].astype(float), square)
            known = [one[:, :2] * size for key, one in {**person, **found}.items() if key in HANDS]
            apart = [np.linalg.norm((points - one).mean(axis=0)) for one in known]
            is_near = np.linalg.norm(points[0] - wrist) < _FARTHEST_WRIST * side
            if is_near and min(apart, default=np.inf) > _ANOTHER_HAND * side:
                unseen = np.zeros((len(points), 1))
                found[group] = np.hstack([points / size, unseen]).astype(np.float32)
    return found


def _in_world(landmarks: Sequence[Any]) -> Float32[np.ndarray, "landmarks 3"]:
    return np.array([(point.x, point.y, point.z) for point in landmarks], np.float32)


def _unpack(landmarks: Sequence[Any]) -> Float32[np.ndarray, "landmarks 3"]:
    return np.array([(point.x, point.y, point.visibility) for point in landmarks], np.float32)


@contextmanager
def native_stderr_hidden() -> Generator[None]:
    """Keep MediaPipe's native log lines off the terminal; it has no switch for them.

    They are shown if the block raises an error, but not at Ctrl-C.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                log.seek(0)
                os.write(2, log.read())


def read_bundle(model: str) -> bytes:
    """The bundle's bytes.

    Args:
        model: a name in POSE_BUNDLES, or a path.
    """
    official = POSE_BUNDLES.get(Path(model).stem)
    if official:
        file = None if model in POSE_BUNDLES else Path(model)
        return pretrained_file(official, file=file).read_bytes()
    if not Path(model).is_file():
        raise MissingFileError(
            f"{model}: no such file on this machine; every machine of a cluster needs it at this"
            f" path, or set detect_keypoints.model: {WHEEL}"
        )
    return Path(model).read_bytes()


@contextmanager
def open_pose_landmarker(model: str, limits: Limits) -> Generator[Detector]:
    """Several bodies in each frame by itself.

    Args:
        model: `wheel`, a name in POSE_BUNDLES, or a path to a bundle.

    Raises:
        MissingFileError: the bundle is not here and cannot be downloaded.
        WeightsError: the bundle is not one that MediaPipe can use.
    """
    opened = _wheel_graph if model == WHEEL else partial(_pose_task, model)
    with native_stderr_hidden(), opened(limits) as landmarks:
        yield detector_of(landmarks, min_visibility=limits.min_visibility)


@contextmanager
def open_bodies() -> Generator[Detector]:
    """The bodies of several people in each frame by itself, as far as the package alone finds."""
    with open_pose_landmarker(WHEEL, Limits(max_people=_MAX_PEOPLE)) as detect:
        yield detect


_LandmarksOf = Callable[[AnyFrame], list[Landmarks]]

_WHEEL_GRAPH = """
input_stream: "image"
output_stream: "people" output_stream: "worlds"
node {
  calculator: "PoseDetectionCpu" input_stream: "IMAGE:image" output_stream: "DETECTIONS:all"
}
node {
  calculator: "ClipDetectionVectorSizeCalculator" input_stream: "all" output_stream: "detections"
  options { [mediapipe.ClipVectorSizeCalculatorOptions.ext] { max_vec_size: MAX_PEOPLE } }
}
node {
  calculator: "ImagePropertiesCalculator" input_stream: "IMAGE:image" output_stream: "SIZE:size"
}
node {
  calculator: "BeginLoopDetectionCalculator"
  input_stream: "ITERABLE:detections" output_stream: "ITEM:detection"
  input_stream: "CLONE:0:image" output_stream: "CLONE:0:each_image"
  input_stream: "CLONE:1:size" output_stream: "CLONE:1:each_size"
  output_stream: "BATCH_END:end"
}
node {
  calculator: "PoseDetectionToRoi"
  input_stream: "DETECTION:detection" input_stream: "IMAGE_SIZE:each_size" output_stream: "ROI:roi"
}
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_stream: "IMAGE:each_image" input_stream: "ROI:roi" output_stream: "LANDMARKS:person"
  output_stream: "WORLD_LANDMARKS:world"
}
node {
  calculator: "EndLoopNormalizedLandmarkListVectorCalculator"
  input_stream: "ITEM:person" input_stream: "BATCH_END:end" output_stream: "ITERABLE:people"
}
node {
  calculator: "EndLoopLandmarkListVectorCalculator"
  input_stream: "ITEM:world" input_stream: "BATCH_END:end" output_stream: "ITERABLE:worlds"
}
"""
"""MediaPipe's own detector and landmarks as in its solution Pose, which takes the first person."""

_MAX_OVERLAP = 0.5  # of two people's boxes, as in Tasks; the solution's 0.3 hides who passes behind


@contextmanager
def _wheel_graph(limits: Limits) -> Generator[_LandmarksOf]:
    """Bodies of several people, by the networks in MediaPipe's package.

    The thresholds are options inside MediaPipe's subgraphs, which have no inputs for them, so they
    are set in the text of the expanded graph. As a message, it would lose the options of the
    eighteen calculators whose modules are not imported.
    """
    mediapipe.resource_util.set_resource_dir(str(mediapipe_models().parents[1]))
    expanded = mediapipe.ValidatedGraphConfig()
    expanded.initialize(graph_config=_WHEEL_GRAPH.replace("MAX_PEOPLE", str(limits.max_people)))
    graph = expanded.text_config
    options = {
        "min_score_thresh": limits.min_detection_confidence,
        "threshold": limits.min_tracking_confidence,
        "min_suppression_threshold": _MAX_OVERLAP,
    }
    for option, value in options.items():
        graph, count = re.subn(rf"\b{option}: [\d.]+", f"{option}: {value}", graph)
        assert count == 1, option
    running, process = start_graph(graph, ("people", "worlds"))
    with closing(running):
        yield lambda frame: [
            {"pose": _unpack(person.landmark), "world": _in_world(world.landmark)}
            for person, world in _in_packets(process(image=image_packet(frame)))
        ]


def _in_packets(found: dict[str, mediapipe.Packet]) -> Iterable[tuple[Any, Any]]:
    """Each person's landmarks in the picture and in the world."""
    both = [packet_getter.get_proto_list(found[n]) for n in ("people", "worlds") if n in found]
    return cast("Iterable[tuple[Any, Any]]", zip(*both, strict=True))


@contextmanager
def _pose_task(model: str, limits: Limits) -> Generator[_LandmarksOf]:
    bundle = read_bundle(model)
    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=bundle),
        running_mode=vision.RunningMode.IMAGE,
        num_poses=limits.max_people,
        min_pose_detection_confidence=limits.min_detection_confidence,
        min_pose_presence_confidence=limits.min_tracking_confidence,
    )
    try:
        task = vision.PoseLandmarker.create_from_options(options)
    except (RuntimeError, ValueError) as error:
        raise WeightsError(
            f"{model}: MediaPipe {mediapipe.__version__} cannot use this bundle"
            f" ({str(error).splitlines()[0]}); set detect_keypoints.model: {WHEEL}, or another"
            " .task file"
        ) from error
    srgb = partial(mediapipe.Image, mediapipe.ImageFormat.SRGB)
    with closing(task):
        yield lambda frame: [
            {"pose": _unpack(person), "world": _in_world(world)}
            for found in [task.detect(srgb(frame))]
            for person, world in zip(found.pose_landmarks, found.pose_world_landmarks, strict=True)
        ]


_Packets = dict[str, mediapipe.Packet]


def image_packet(frame: AnyFrame) -> mediapipe.Packet:
    return packet_creator.create_image_frame(frame, image_format=mediapipe.ImageFormat.SRGB)


def start_graph(
    graph: str, outputs: Sequence[str]
) -> tuple[mediapipe.CalculatorGraph, Callable[..., _Packets]]:
    """Start a graph.

    Returns:
        The graph, and a function that takes the next packet of each input stream by its name and
        gives the packets at the outputs.
    """
    running, found = mediapipe.CalculatorGraph(graph_config=graph), {}
    for name in outputs:
        running.observe_output_stream(name, found.__setitem__)
    running.start_run()
    timestamps = itertools.count()

    def process(**inputs: mediapipe.Packet) -> _Packets:
        found.clear()
        timestamp = next(timestamps)
        for stream, packet in inputs.items():
            running.add_packet_to_input_stream(stream, packet.at(timestamp))
        running.wait_until_idle()
        return found

    return running, process
