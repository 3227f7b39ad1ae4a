"""Live motion transfer: a target performs what a camera sees, while it sees it."""
