"""Networks: built from numbers, computing only."""
