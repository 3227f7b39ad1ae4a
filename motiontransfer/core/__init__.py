"""What every package uses: errors, params, paths, files, processes, devices."""
