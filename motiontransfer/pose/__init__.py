"""Poses: finding, tracking, choosing, cleaning and drawing people's joints.

In order of reading: `detectors.protocol`, `detectors.registry` and a detector; `detection`, which
runs one over a clip, or `importers`; `tracking` and `subject`, which choose the person; `cleaning`
on `time_series`, and `quality`; `boxes` and `viewport`; `drawing`, which makes pose maps.
"""
