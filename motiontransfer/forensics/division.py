"""Who is trained on, calibrated on and tested on: never the same frames, best not the same people.

A detector that knows its subjects may tell them apart by what they wear. With two targets or more,
the last is only tested on. With one, the tests are on later frames of the target, on its transfers,
and on filmed people nobody learnt; they cannot show what the detector makes of other subjects'
renders, and the metrics say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from motiontransfer.errors import TrainingError
from motiontransfer.forensics.dataset import Twins
from motiontransfer.forensics.footage import Footage, TargetFootage
from motiontransfer.forensics.stretches import Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Filmed and rendered seconds."""

    real: Sequence[Stretch]
    fake: Sequence[Stretch]

    @property
    def description(self) -> dict[str, object]:
        """For people: whose they are, and how many."""
        return {
            "real": sorted({f"{each.subject}/{each.clip}" for each in self.real}),
            "fake": sorted({f"{each.subject}/{each.clip}" for each in self.fake}),
            "seconds": {"real": len(self.real), "fake": len(self.fake)},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """What is used for what."""

    training: Sequence[Twins]
    calibration: Sequence[Twins]
    test: Seconds
    held_out_subject: str | None
    """Tested on and not trained on; None where there is only one target."""


def divide(footage: Footage) -> Division:
    """Hold out the last target if there is another, else the later part of the only one.

    Raises:
        TrainingError: nothing is left to train on, or to calibrate on.
    """
    *known, last = footage.targets
    if known:
        return _division(known, [*last.earlier, *last.later], last, footage, last.subject)
    middle = (len(last.later) + 1) // 2
    only = TargetFootage(
        subject=last.subject,
        earlier=last.earlier,
        later=last.later[:middle],
        transfers=last.transfers,
    )
    return _division([only], last.later[middle:], last, footage, None)


def seconds_of(twins: Sequence[Twins]) -> Seconds:
    """Both sides of twins."""
    return Seconds(real=[each.real for each in twins], fake=[each.fake for each in twins])


def _division(
    known: Sequence[TargetFootage],
    tested: Sequence[Twins],
    last: TargetFootage,
    footage: Footage,
    held_out_subject: str | None,
) -> Division:
    training = [twins for target in known for twins in target.earlier]
    calibration = [twins for target in known for twins in target.later]
    if not (training and calibration):
        raise TrainingError(
            f"expected seconds to train the detector and others to calibrate it on, got "
            f"{len(training)} and {len(calibration)} of {', '.join(t.subject for t in known)}; use "
            "longer clips, change train_forensics.held_out_fraction, or take it out of `detectors`"
        )
    twins = seconds_of(tested)
    return Division(
        training=training,
        calibration=calibration,
        test=Seconds(real=[*twins.real, *footage.bystanders], fake=[*twins.fake, *last.transfers]),
        held_out_subject=held_out_subject,
    )
