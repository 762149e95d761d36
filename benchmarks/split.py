"""Where a finished run's time went, from the timing beside each of its artifacts.

    python -m benchmarks.split results

Training and validation: the device-seconds of evaluations that were not re-used. The rest of the evaluation jobs is
Python's start-up, imports and data. What no step accounts for is Snakemake and waiting.
"""

import datetime
from collections import Counter, defaultdict
from pathlib import Path

import click

from autoshrink.records.timing import StepTiming


@click.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True))
def main(results: Path) -> None:
    """Print the seconds of each kind of step, summed over jobs, and the time from first start to last end."""
    spent: defaultdict[str, float] = defaultdict(float)
    jobs: Counter[str] = Counter()
    began, ended = [], []
    for path in sorted(results.rglob("*.timing.json")):
        timing = StepTiming.read(path)
        if timing.seconds is None or timing.started is None or timing.ended is None:
            continue
        kind = path.name.removesuffix(".timing.json").split("-")[0]
        kind = {"proposal": "propose", "evaluations": "evaluate", "round": "start and select"}.get(kind, kind)
        jobs[kind] += 1
        trained = sum(slot.device_seconds or 0.0 for slot in (timing.slots or {}).values() if not slot.reused)
        spent[kind] += timing.seconds - trained
        if trained:
            spent["evaluate: training and validation"] += trained
        began.append(datetime.datetime.fromisoformat(timing.started))
        ended.append(datetime.datetime.fromisoformat(timing.ended))
    for kind, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        click.echo(f"{seconds:8.1f} s  {kind}" + (f" ({jobs[kind]} jobs)" if jobs[kind] else ""))
    if began:
        click.echo(f"{(max(ended) - min(began)).total_seconds():8.1f} s  from the first start to the last end")


if __name__ == "__main__":
    main()
