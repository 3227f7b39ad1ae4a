"""The pipeline's stages: `python -m stages STAGE NAME`, one thin module each."""
