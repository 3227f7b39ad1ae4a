"""The human study: which of two videos people find more real."""
