"""What a result is worth: metrics, baselines, and the pictures that show them."""
