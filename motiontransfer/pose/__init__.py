"""Poses: finding, tracking, choosing, cleaning and drawing people's joints.

In order of reading:

- `detection`: frames to people to tracks, with a detector of `detectors` (`mediapipe_detectors`,
  `keypoint_rcnn`; live: `openvino_holistic`; `landmarks` names their joints), or `importers`.
- `tracking` and `subject` choose the person.
- `cleaning` on `time_series`, and `quality`.
- `boxes`, with the viewport; `drawing`, which makes pose maps.
"""
