"""Keypoints made elsewhere: read, checked and moved onto a clip's frames."""
