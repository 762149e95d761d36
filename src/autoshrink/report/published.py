"""Published results with their sources, listed separately from measured ones."""

from autoshrink.cells import released
from autoshrink.params.base import Task
from autoshrink.records.known_networks import KnownNetwork
from autoshrink.tasks.spec import spec_of

PAPER = "Zhang et al., AutoShrink, AAAI 2020"


def _image(
    name: str, source: str, top1: float, parameters: float, macs: float, hours: float | None = None, note: str = ""
) -> KnownNetwork:
    return KnownNetwork(
        task=Task.CNN,
        name=name,
        source=source,
        dataset=spec_of(Task.CNN).benchmark,
        quality={"accuracy_top1": top1},
        parameters=parameters,
        macs=macs,
        search_device_hours=hours,
        note=note,
    )


def _text(
    name: str,
    source: str,
    validation: float,
    test: float,
    parameters: float,
    hours: float | None = None,
    note: str = "",
) -> KnownNetwork:
    return KnownNetwork(
        task=Task.RNN,
        name=name,
        source=source,
        dataset=spec_of(Task.RNN).benchmark,
        quality={"perplexity_validation": validation, "perplexity_test": test},
        parameters=parameters,
        macs=None,
        search_device_hours=hours,
        note=note,
    )


_QUOTED = f"as quoted by {PAPER}"

OTHERS: tuple[KnownNetwork, ...] = (
    _image("MobileNetV2-1.4", _QUOTED, 0.747, 6.9e6, 585e6, note="the paper's headline comparison is with this row"),
    _image("MobileNetV2-1.0", _QUOTED, 0.720, 3.5e6, 300e6),
    _image("MobileNetV1", _QUOTED, 0.706, 4.2e6, 569e6),
    _image("ShuffleNetV2-1.5x", _QUOTED, 0.726, 3.5e6, 299e6),
    _image("NASNet-A", _QUOTED, 0.740, 5.3e6, 564e6),
    _image("AmoebaNet-A", _QUOTED, 0.745, 5.1e6, 555e6),
    _image("PNASNet", _QUOTED, 0.742, 5.1e6, 588e6),
    _image("DARTS", _QUOTED, 0.733, 4.7e6, 574e6),
    _text("AWD-LSTM", _QUOTED, 60.0, 57.3, 24e6),
    _text("AWD-LSTM, finetuned", _QUOTED, 58.8, 56.5, 24e6),
    _text(
        "ENAS", "as re-trained by DARTS (Liu et al., ICLR 2019)", 60.8, 58.6, 24e6, 10.0, "search cost by AutoShrink"
    ),
    _text("DARTS", "Liu et al., ICLR 2019", 58.1, 55.7, 23e6),
)


def published(task: Task) -> list[KnownNetwork]:
    """Return the published rows of one task, the paper's own first."""
    return [*_released(task), *(row for row in OTHERS if row.task == task)]


_NAMES = {"shrinkcnn-a": "ShrinkCNN-A", "shrinkcnn-b": "ShrinkCNN-B", "shrinkrnn": "ShrinkRNN"}
# Both searches, on a TITAN Xp (paper, section on search cost).
_PAPER_HOURS = 1.5


def _released(task: Task) -> list[KnownNetwork]:
    """Return the paper's own rows, whose numbers stand beside the released cells."""
    spec = spec_of(task)
    found = [released.load(name) for name in _NAMES]
    return [
        KnownNetwork(
            task=task,
            name=_NAMES[item.name],
            source=PAPER,
            dataset=spec.benchmark,
            quality=item.quality([metric.column for metric in spec.reported]),
            parameters=item.published["parameters"],
            macs=item.published.get("macs"),
            search_device_hours=_PAPER_HOURS,
            note="search cost in TITAN Xp hours",
        )
        for item in found
        if item.task is task
    ]
