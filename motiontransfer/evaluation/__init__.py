"""Evaluation: image, pose and temporal metrics, baselines, bootstrap intervals, figures."""
