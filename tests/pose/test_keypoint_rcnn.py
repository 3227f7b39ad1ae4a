from functools import partial
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from motiontransfer.core.errors import WeightsError
from motiontransfer.pose import keypoint_rcnn
from motiontransfer.pose.landmarks import Limits
from motiontransfer.pose.skeleton import COCO_17, HOLISTIC
from tests.pretend_cuda import pretend_cuda
from tests.training.small import Malicious

LIMITS = Limits(max_people=2)
FRAME = np.zeros((40, 64, 3), np.uint8)


def found(*people):
    """The network's output for people, each (confidence, label, x of the first joint)."""
    confidence, label, x = np.array(people, float).reshape(-1, 3).T
    keypoints = np.ones((len(people), 17, 3), np.float32)
    keypoints[..., 0], keypoints[..., 1] = x[:, None] + np.arange(17), 2 * np.arange(17)
    return {
        "scores": torch.tensor(confidence),
        "labels": torch.tensor(label),
        "keypoints": torch.from_numpy(keypoints),
        "keypoints_scores": torch.full((len(people), 17), 10.0),
    }


def detect(*answers, frames=(FRAME,), **settings):
    """People in frames for which the network gives these answers."""
    network = lambda images: list(answers[: len(images)])  # noqa: E731
    return keypoint_rcnn.detect(network, frames, limits=LIMITS._replace(**settings))


def x_of_noses(people):
    return people[:, HOLISTIC.index("nose"), 0].tolist()


def test_every_joint_gets_its_name():
    (people,) = detect(found((0.9, 1, 5)))
    for index, joint in enumerate(COCO_17):
        position = HOLISTIC.index(joint)
        assert people[0, position, :2].tolist() == [5 + index, 2 * index]
        assert people[0, position, 2] > 0.99
    assert (people[..., 2] > 0).sum() == 17
    assert not people[people[..., 2] == 0, :2].any()


@pytest.mark.parametrize(
    ("answers", "noses"),
    [
        ([found((0.6, 1, 1), (0.9, 1, 2), (0.7, 1, 3))], [[2, 3]]),  # the most certain come first
        ([found((0.49, 1, 1), (0.99, 0, 2), (0.5, 1, 3))], [[3]]),  # doubtful; background
        ([found((0.9, 1, 64), (0.8, 1, 1))], [[1]]),  # no joint inside the image
        ([found((0.9, 1, 1)), found(), found((0.9, 1, 3))], [[1], [], [3]]),
    ],
    ids=["max_people", "min_detection_confidence", "outside", "batch"],
)
def test_people_kept_of_each_frame(answers, noses):
    frames = detect(*answers, frames=[FRAME] * len(answers))
    assert [x_of_noses(people) for people in frames] == noses
    assert {people.shape[1:] for people in frames} == {(len(HOLISTIC.joints), 3)}


@pytest.mark.parametrize("room", [1, 2, 3, 8])
def test_frames_that_do_not_fit_into_memory_together_are_halved(room):
    frames = [np.full((40, 64, 3), value, np.uint8) for value in range(8)]
    calls = []

    def network(images):
        calls.append(len(images))
        if len(images) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [found((0.9, 1, round(float(image.mean() * 255)) + 1)) for image in images]

    people = keypoint_rcnn.detect(network, frames, limits=LIMITS)
    assert [x_of_noses(one) for one in people] == [[value + 1] for value in range(8)]
    assert max(size for size in calls if size <= room) > room / 2
    room = 0
    with pytest.raises(torch.OutOfMemoryError):
        keypoint_rcnn.detect(network, frames[:3], limits=LIMITS)


def test_the_network_sees_rgb_from_0_to_1():
    network = Mock(return_value=[found()])
    frame = FRAME.copy()
    frame[3, 5] = (255, 51, 0)
    keypoint_rcnn.detect(network, [frame], limits=LIMITS)
    ((image,),) = network.call_args.args
    np.testing.assert_allclose(image[:, 3, 5].cpu(), [1, 0.2, 0], atol=1e-6)
    assert image.shape == (3, 40, 64)


def test_doubtful_joints_are_missing_and_one_half_is_detectrons_limit():
    logits = np.array([[-20, 0, 2, 4, 20]], np.float32)
    expected = [0, 0.1192, 0.5, 0.8808, 1]
    np.testing.assert_allclose(keypoint_rcnn.joint_confidence(logits)[0], expected, atol=1e-4)
    answer, ear = found((0.9, 1, 5)), HOLISTIC.index("left_ear")
    answer["keypoints_scores"][0, 3] = 1.0
    assert detect(answer)[0][0, ear, 2] == 0
    loose = detect(answer, min_visibility=0.2)[0]
    assert loose[0, ear, 2] == pytest.approx(0.269, abs=1e-3)


@pytest.mark.slow
def test_a_weights_file_is_loaded_and_run_by_torchvisions_network(tmp_path):
    """Random weights, in the form in which torchvision publishes its own."""
    from torchvision.models.detection import keypointrcnn_resnet50_fpn

    torch.manual_seed(0)
    few = {"box_detections_per_img": 5}  # each takes a tenth of a second
    theirs = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None, **few).eval()
    torch.save(theirs.state_dict(), tmp_path / "random.pth")
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-12
    image = torch.rand(3, 40, 64, generator=torch.Generator().manual_seed(0))
    limits = Limits(max_people=5, min_detection_confidence=0.0, min_visibility=0.0)
    frames = list(np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3), np.uint8))
    opened = partial(keypoint_rcnn.open_keypoint_rcnn, str(tmp_path / "random.pth"), limits)
    with opened() as find:
        ours = find.args[0]
        for network in (ours, theirs):
            network.transform.min_size = (64,)  # not 800: quick
        people, again = find(frames), find(frames)
        ours.roi_heads.score_thresh = 0.05  # as theirs
        with torch.inference_mode():
            (ours_found,), (theirs_found,) = ours([image]), theirs([image])
    assert len(ours_found["scores"]) > 0
    torch.testing.assert_close(ours_found, theirs_found, atol=1e-3, rtol=1e-3)
    with pretend_cuda() as gpu, opened() as find:
        find.args[0].transform.min_size = (64,)
        on_gpu = find(frames)
    assert gpu.kernels["convolution"] > 50
    for one, other, there in zip(people, again, on_gpu, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, there, rtol=1e-3, atol=1e-3)
        assert 1 <= len(one) <= 5
        known = [HOLISTIC.joints[index] for index in np.flatnonzero(one[..., 2].any(axis=0))]
        assert set(known) <= set(COCO_17)


def test_other_files_are_refused_in_one_line_and_run_nothing(tmp_path, capsys):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    torch.save({"weight": Malicious()}, tmp_path / "hostile.pth")
    (tmp_path / "page.pth").write_text("<html>404</html>")
    for file in tmp_path.iterdir():
        with pytest.raises(WeightsError, match=rf"{file.name}: .+\Z"):
            keypoint_rcnn.load_network(str(file), LIMITS)
    assert "boo" not in capsys.readouterr().out
