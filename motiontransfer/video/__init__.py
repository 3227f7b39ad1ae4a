"""Video input and output: decoding, color, resampling, frame storage, audio, encoding."""
