"""Working on a project with others and over time: sharing, own videos, experiments."""
