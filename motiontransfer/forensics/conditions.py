"""What a video may have gone through before it is judged: the rows of every table of results."""

from motiontransfer.forensics.recompression import Encoding

EXACT = "exact"
CONDITIONS = {
    EXACT: Encoding(),
    "crf_18": Encoding(crf=18),
    "crf_28": Encoding(crf=28),
    "crf_35": Encoding(crf=35),
    "half_size": Encoding(scale=0.5, crf=18),
}
"""Frames as they were rendered or filmed; encoded as H.264; made smaller first."""
