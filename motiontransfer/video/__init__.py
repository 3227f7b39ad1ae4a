"""Video input and output: decoding, colour, resampling, frame storage, audio, encoding."""
