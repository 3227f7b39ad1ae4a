"""Pose detectors, one module each; `motiontransfer.pose.detection` says what a detector is."""
