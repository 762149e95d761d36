"""What a found network is compared with, and how sure the verdict is to be."""

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from autoshrink.errors import meant
from autoshrink.params.base import Section
from autoshrink.params.sections import PerTask, per_task

RANDOM = r"random-\d{1,4}"
ENTRY_POINT = r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*"


class Evidence(Section):
    """How much is trained for the verdict, and how sure it is to be."""

    seeds: Annotated[int, Field(ge=1, le=100)] = 1
    """Final trainings of the found network and of each reference, under seeds of their own. With several, the verdict
    compares their means; with one, it compares the two networks' answers to each test example."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence of intervals, and what a difference must reach to be called one (corrected for several references)."""


@per_task("references", lambda sections: f"What the network around {sections.in_words} is compared with.")
class References(PerTask):
    """Networks that are trained as the found one is, at its cost, to say whether it was worth the search."""


def check_names(names: Sequence[str], known: Sequence[str], key: str) -> None:
    """Raise ValueError, in one line, unless each name is a reference that a task with these ``known`` ones can have."""
    if names and not known:
        raise ValueError(f"{key}: networks of this task have no width to scale; accepted: []")
    for name in names:
        if name not in known and not re.fullmatch(f"{RANDOM}|{ENTRY_POINT}", name):
            accepted = f"{', '.join(known)}, random-N such as random-0, and a module:function of your own"
            raise ValueError(f"{key}: {name!r} is no reference{meant(name, known)}; accepted: {accepted}")
