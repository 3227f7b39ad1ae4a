"""`python -m motiontransfer`, the same as the `motiontransfer` command."""

from motiontransfer.cli.app import main

if __name__ == "__main__":
    main()
