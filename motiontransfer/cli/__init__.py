"""The `motiontransfer` command: commands beyond `dvc repro`."""
