"""The demo: films the clips that the default params.yaml names. `python -m demo film CLIP`."""
