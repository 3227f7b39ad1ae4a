"""Content provenance (C2PA 2.3): signed manifests in finished videos, and their verification."""
