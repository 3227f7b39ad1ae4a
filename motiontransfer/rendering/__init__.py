"""Rendering: rollout, face blending, compositing, videos."""
