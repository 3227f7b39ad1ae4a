"""The `motiontransfer` command: what DVC does not do."""
