"""A trained detector put to the test, under each condition."""

from motiontransfer.forensics.conditions import CONDITIONS
from motiontransfer.forensics.division import Seconds
from motiontransfer.forensics.measures import Scores, measure
from motiontransfer.forensics.scoring import score_stretches
from motiontransfer.forensics.trained import TrainedDetector


def try_detector(detector: TrainedDetector, seconds: Seconds) -> dict[str, Scores]:
    """Score real and fake seconds after each condition, the same for both."""
    scores = {}
    for name, encoding in CONDITIONS.items():
        real, fake = (
            score_stretches(
                detector.network,
                stretches,
                encoding=encoding,
                max_height=detector.max_height,
                description=f"test {name}",
            )
            for stretches in (seconds.real, seconds.fake)
        )
        scores[name] = Scores(real=real, fake=fake)
    return scores


def measures(detector: TrainedDetector, scores_of: dict[str, Scores]) -> dict[str, object]:
    """What `measure` says of each condition's scores."""
    threshold = detector.calibration.threshold
    return {name: measure(scores, threshold=threshold) for name, scores in scores_of.items()}
