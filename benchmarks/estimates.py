"""How good are the estimates of the searching that is left?

    python -m benchmarks.estimates --data data --out benchmarks/results/estimates.csv

Five image and five text searches over ten edges run to their end, with proxies that are made short; each candidate's
time is its CPU seconds, so the machine may have something else to do. After every round the estimate is taken as
`autoshrink status` takes it, from the files of the rounds before, and compared with what the search then took.
"""

import argparse
import csv
import datetime
import statistics
import tempfile
import time
from pathlib import Path

from autoshrink import params
from autoshrink.params import Parameters
from autoshrink.records.evaluation import Evaluation, EvaluationIdentity, EvaluationJob
from autoshrink.records.proposal import Proposal
from autoshrink.records.round import Round
from autoshrink.records.timing import SlotTiming, StepTiming
from autoshrink.runtime import devices, numerics, seeds
from autoshrink.search import rounds
from autoshrink.search.rounds import SearchName
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of
from autoshrink.workflow import status
from autoshrink.workflow.layout import SearchFolder

COLUMNS = ("task", "search", "after_round", "candidates_in_plan_left", "took", "likely", "low", "high", "ratio")
SHORT = [
    "search.seeds=[0, 1, 2, 3, 4]",
    "search.cnn.finalists=null",
    "search.rnn.finalists=null",
    "proxy.cnn.train_per_class=20",
    "proxy.cnn.training.epochs=2",
    "proxy.rnn.train_lines=300",
    "proxy.rnn.training.epochs=2",
    "proxy.rnn.training.decay_epochs_before_end=[1]",
]


def search(parameters: Parameters, name: SearchName, data: Path, folder: SearchFolder) -> None:
    """Run a whole search, and write its rounds with what each candidate took."""
    import torch

    spec = spec_of(name.task)
    recipe = spec.proxy(parameters)
    drawn = spec.draw(spec.load(address.folder(parameters, recipe.dataset, data)), parameters)
    known: dict[str, Evaluation] = {}
    rounds.start(parameters, name, folder.round(0).state)
    for number, jobs in enumerate(rounds.plan(parameters, name.task), start=1):
        here, before = folder.round(number), folder.round(number - 1).state
        rounds.propose(parameters, name, before, here.proposal)
        proposed = Proposal.read(here.proposal).candidates
        for index, slots in enumerate(jobs):
            timing, found = {}, {}
            begun = datetime.datetime.now(datetime.UTC)
            for item in (item for item in proposed if item.slot in slots):
                start = time.process_time()
                reused = item.key in known
                if not reused:
                    own = seeds.derive(parameters.seed, f"evaluation/{name.task}/{item.key}")
                    trial = spec.trial(item.canonical, recipe, drawn, own, torch.device("cpu"), True)
                    while not trial.done:
                        trial.run_epoch()
                    identity = EvaluationIdentity(
                        evaluator="", task=name.task, cell=item.key, proxy={}, data="", seed=own, defects=()
                    )
                    key = f"{seeds.derive(0, item.key):064x}"
                    known[item.key] = Evaluation(key=key, identity=identity, seed=own, **dict(trial.result()))
                found[item.slot] = known[item.key]
                timing[str(item.slot)] = SlotTiming(device_seconds=time.process_time() - start, reused=reused)
            EvaluationJob.of(name.task, str(name), number, found).write(here.evaluations(index))
            seconds = sum(slot.device_seconds or 0.0 for slot in timing.values())
            StepTiming(started=begun.isoformat(), seconds=seconds, slots=timing).write_beside(here.evaluations(index))
        evaluations: dict[int, Evaluation] = {}
        for file in here.written_evaluations():
            evaluations |= EvaluationJob.read(file).by_slot
        rounds.select(parameters, name, before, here.proposal, evaluations, here.state)
        if Round.read(here.state).state.stopped:
            return


def replay(parameters: Parameters, name: SearchName, whole: SearchFolder, copy: Path) -> list[dict[str, object]]:
    """Return a row per round: the estimate after it, and what the search took from there."""
    plan = rounds.plan(parameters, name.task)
    finished = list(whole.finished_rounds())
    took = [
        sum(float(StepTiming.beside(file).seconds or 0.0) for file in done.written_evaluations()) for done in finished
    ]
    rows: list[dict[str, object]] = []
    for number in range(1, len(finished) - 1):
        target = copy / str(number) / str(name.task) / str(name)
        for done in finished[: number + 1]:
            (target / done.folder.name).mkdir(parents=True)
            for file in done.folder.iterdir():
                (target / done.folder.name / file.name).write_bytes(file.read_bytes())
        found = status.of(copy / str(number), parameters, name.task, name).left
        assert found is not None
        actual = sum(took[number + 1 :])
        values = (actual, found.likely, found.low, found.high)
        rows.append(
            dict(
                zip(
                    COLUMNS,
                    [
                        str(name.task),
                        str(name),
                        number,
                        sum(len(slots) for jobs in plan[number:] for slots in jobs),
                        *(round(value, 2) for value in values),
                        round(found.likely / actual, 2) if actual else "",
                    ],
                    strict=True,
                )
            )
        )
    return rows


def main() -> None:
    """Run the searches and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="prepared mnist5k and sotu")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folder", type=Path, help="keep the searches here, and go on with those that are here")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        # a store of its own: nothing is known of earlier runs
        parameters = params.load([], [*SHORT, f"paths.store={place}/store"])
        numerics.apply(parameters.compute.numerics)
        devices.set_threads(1)
        rows = []
        for task in parameters.tasks:
            for name in rounds.searches(parameters, task):
                folder = SearchFolder((chosen.folder or Path(place) / "whole") / str(task) / str(name))
                done = list(folder.finished_rounds())
                if not done or not Round.read(done[-1].state).state.stopped:
                    search(parameters, name, chosen.data, folder)
                rows += replay(parameters, name, folder, Path(place) / "copies")
                print(f"{task} {name}: {rows[-1]}", flush=True)
    with chosen.out.open("w") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    first = [row for row in rows if row["after_round"] == 2]
    ratios = [float(str(row["ratio"])) for row in first]
    within = sum(1 / 1.5 <= ratio <= 1.5 for ratio in ratios)
    print(f"after round 2: {within} of {len(first)} within a factor of 1.5; median ratio {statistics.median(ratios)}")


if __name__ == "__main__":
    main()
