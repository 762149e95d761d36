"""The plan follows from the parameters alone."""

from pathlib import Path

import pytest

from autoshrink.errors import UserError
from autoshrink.params import load
from autoshrink.params.document import defaults
from autoshrink.params.root import Parameters
from autoshrink.workflow.plan import Plan


def planned(**search: object) -> Plan:
    """Return the plan of a small search of at most two rounds: three candidates, then two, two a job."""
    values = defaults().model_dump(mode="json")
    values["tasks"] = ["cnn"]
    values["search"].update(slots_per_job=2, **search)
    values["search"]["cnn"].update(nodes=3, k=3, keep_fraction=0.4)
    return Plan(Parameters.model_validate(values, strict=False))


def test_jobs_cover_every_slot_once() -> None:
    """Each round's jobs follow each other without gap or overlap."""
    jobs = planned().jobs("cnn", "shrink-0")
    assert [[(job.start, job.stop) for job in of_round] for of_round in jobs] == [[(0, 2), (2, 3)], [(0, 2)]]
    assert planned().slots("cnn", "shrink-0", "01", "1") == "2:3"


def test_a_round_starts_from_the_one_before() -> None:
    """Round 1 starts from round 0, and the answer is chosen among all rounds but that."""
    plan = planned()
    assert plan.previous("cnn", "shrink-0", "01") == Path("results/cnn/shrink-0/round-00/round.json")
    assert plan.rounds("cnn", "shrink-0") == [
        Path(f"results/cnn/shrink-0/round-{number}/round.json") for number in ("01", "02")
    ]
    assert plan.evaluations("cnn", "shrink-0", "02") == [Path("results/cnn/shrink-0/round-02/evaluations-0.json")]


def test_the_report_reads_every_search_of_the_run() -> None:
    """Each seed has its rounds, answer, history and metrics in the report's inputs."""
    plan = planned(seeds=[0, 7])
    assert plan.searches == [("cnn", "shrink-0"), ("cnn", "shrink-7")]
    found = plan.reported()
    assert len(found["rounds"]) == 6
    assert [len(found[kind]) for kind in ("best", "histories", "metrics", "known_networks")] == [2, 2, 2, 1]


def test_each_search_has_a_plan_of_training_elsewhere_where_devices_are_named() -> None:
    """Of both tasks; none where no devices are."""
    assert Plan(defaults()).training_plans() == []
    asked = defaults().model_copy(update={"plan": defaults().plan.model_copy(update={"devices": "tpu-boards"})})
    assert Plan(asked).training_plans() == [Path(f"results/{task}/shrink-0/plan.json") for task in ("cnn", "rnn")]


def test_a_study_reads_metrics_only_of_trained_answers() -> None:
    """Without final trainings a study is made of rounds alone."""
    plan = planned()
    found = plan.studied("cnn")
    assert {path.name for path in found} == {"round.json"} | (
        {"metrics.json"} if plan.parameters.study.final_training else set()
    )
    assert {path.parts[2] for path in found} >= {f"{name}-0" for name in plan.parameters.study.strategies}


def test_finalists_are_evaluated_seed_by_seed() -> None:
    """Each job of the finalists is for one seed and some of them; the answer waits for all; null plans none."""
    plan = planned()
    values = plan.parameters.model_dump(mode="json")
    values["search"]["cnn"]["finalists"] = {"count": 3, "repeats": 2}
    plan = Plan(Parameters.model_validate(values, strict=False))
    assert [plan.repeat("cnn", "shrink-0", str(job)) for job in range(4)] == [
        {"repeat": repeat, "slots": slots} for repeat in "12" for slots in ("0:2", "2:3")
    ]
    names = [f"results/cnn/shrink-0/finalists/evaluations-{job}.json" for job in range(4)]
    assert [str(path) for path in plan.repeats("cnn", "shrink-0")] == names
    values["search"]["cnn"]["finalists"] = None
    assert Plan(Parameters.model_validate(values, strict=False)).repeats("cnn", "shrink-0") == []


def test_an_unknown_strategy_is_a_users_mistake() -> None:
    """A target of a strategy that there is none of ends in one line."""
    with pytest.raises(UserError, match=r"'shirnk': is not an entry of search\.strategies"):
        planned().rounds("cnn", "shirnk-0")


def test_a_verdict_is_planned_from_the_parameters() -> None:
    """The found network's own model is its first training; with several rates each network chooses one first."""
    plan = Plan(load([], ["evidence.seeds=2", 'references.cnn.networks=["complete", "my.own:net"]']))
    assert plan.networks("cnn") == ["found", "complete", "my.own.net"]
    assert plan.reference("cnn", "my.own.net") == "my.own:net"
    folder = plan.layout.search("cnn", "shrink-0")
    models = plan.trained("cnn", "shrink-0", "found")
    assert models == [folder.model, folder.evidence("found").training("seed-1").model]
    assert plan.rate("cnn", "shrink-0", "complete", "seed-0") == []
    tuned = Plan(load([], ["references.cnn.learning_rates=[0.5, 1.0]"]))
    assert len(tuned.tried_rates("cnn", "shrink-0", "found")) == 2
    assert tuned.rate("cnn", "shrink-0", "found", "seed-0") == [folder.evidence("found").rate]
    assert tuned.rate("cnn", "shrink-0", "found", "rate-0") == []
    none = Plan(load([], ["references.cnn.networks=[]", "references.rnn.networks=[]"]))
    assert none.verdicts() == []
