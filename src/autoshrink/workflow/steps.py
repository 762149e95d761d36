"""The table of the pipeline's steps: verb, rule, purpose, artifact, and the parameters each depends on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One step.

    ``verb`` is that of the command line and of lineage records, ``rule`` the workflow's; ``artifact`` is the file that
    the step's record stands beside, below the data set's, the round's, the search's or the task's folder or the
    report's; ``sections`` names what the step reads of the parameters (``slices`` narrows it to the task); ``code`` and
    ``task_methods`` name the functions, and the methods of the task's description, that its results depend on.
    ``is_quick`` says that it takes no time and runs where Snakemake runs, ``in_round`` that a search repeats it round
    by round.
    """

    verb: str
    rule: str
    purpose: str
    artifact: str
    sections: tuple[str, ...]
    code: tuple[str, ...] = ()
    task_methods: tuple[str, ...] = ()
    is_quick: bool = False
    in_round: bool = False


STEPS = {
    step.verb: step
    for step in (
        Step(
            "prepare",
            "prepare",
            "Bring a data set into one checksummed form",
            "manifest.json",
            ("datasets",),
            task_methods=("prepare",),
        ),
        Step(
            "start",
            "start",
            "Draw the complete cell's operators",
            "round.json",
            ("search",),
            ("autoshrink.search.rounds:start",),
            is_quick=True,
        ),
        Step(
            "propose",
            "propose",
            "Draw a round's candidates",
            "proposal.json",
            ("search",),
            ("autoshrink.search.rounds:propose",),
            is_quick=True,
            in_round=True,
        ),
        Step(
            "evaluate",
            "evaluate",
            "Train candidates on the proxy",
            "evaluations-{job}.json",
            ("proxy", "search", "paper_defects"),
            task_methods=("load", "draw", "to_device", "trial", "edge_trial", "zero_cost"),
            in_round=True,
        ),
        Step(
            "select",
            "select",
            "Score a round's candidates and keep the best",
            "round.json",
            ("search", "proxy"),
            ("autoshrink.search.rounds:select",),
            ("score", "further_costs"),
            is_quick=True,
            in_round=True,
        ),
        Step(
            "finalists",
            "finalists",
            "Choose the finalists among the cells of all rounds",
            "finalists/proposal.json",
            ("search",),
            ("autoshrink.search.rounds:finalists",),
            is_quick=True,
        ),
        Step(
            "repeat",
            "repeat",
            "Train finalists again under a seed of their own",
            "finalists/evaluations-{job}.json",
            ("proxy", "search", "paper_defects"),
            task_methods=("load", "draw", "to_device", "trial", "train", "example", "count"),
        ),
        Step(
            "best",
            "best",
            "Take the best cell of all rounds",
            "best.json",
            ("search", "proxy"),
            ("autoshrink.search.rounds:best", "autoshrink.search.rounds:write_front"),
            ("score",),
            is_quick=True,
        ),
        Step(
            "train",
            "train",
            "Train the best cell's network with the full recipe",
            "model.json",
            ("training",),
            task_methods=("load", "train"),
        ),
        Step(
            "test",
            "test",
            "Measure the final model on the test split",
            "metrics.json",
            ("training",),
            task_methods=("load", "test", "example", "count"),
        ),
        Step(
            "train-reference",
            "train_reference",
            "Train a reference at the found network's cost",
            "model.json",
            ("training", "references"),
            ("autoshrink.evidence.references:scaled",),
            ("load", "train", "example", "count", "widened", "proportions", "known_body", "reference_recipe"),
        ),
        Step(
            "choose-rate",
            "choose_rate",
            "Keep the learning rate that is best on validation data",
            "rate.json",
            ("references",),
            ("autoshrink.evidence.learning_rates:choose",),
            is_quick=True,
        ),
        Step(
            "test-reference",
            "test_reference",
            "Measure a network's trainings on the test split",
            "test.json",
            ("training",),
            task_methods=("load", "outcomes", "example", "count"),
        ),
        Step(
            "verdict",
            "verdict",
            "Judge the found network against the references",
            "verdict.json",
            ("references", "evidence", "training"),
            ("autoshrink.evidence.verdict:judge",),
        ),
        Step(
            "plan",
            "plan",
            "Plan the training on other accelerators",
            "plan.json",
            ("plan", "training"),
            (
                "autoshrink.planner.outcome:make",
                "autoshrink.planner.device_file:read",
                "autoshrink.planner.readers.modules:read",
                "autoshrink.planner.readers.recurrent:read",
            ),
            ("load", "example", "example_network"),
        ),
        Step(
            "known-networks",
            "known_networks",
            "Count the parameters and MACs of known networks",
            "known-networks.json",
            (),
            ("autoshrink.costs.known_networks:counted",),
        ),
        Step(
            "report",
            "report",
            "Draw tables, figures and the page",
            "report.json",
            (
                "tasks",
                "datasets",
                "search",
                "proxy",
                "training",
                "references",
                "evidence",
                "study",
                "plan",
                "report",
                "paper_defects",
            ),
            ("autoshrink.report:build",),
        ),
        Step(
            "study",
            "study_task",
            "Compare strategies at equal cost",
            "study.json",
            ("search", "study"),
            ("autoshrink.study.comparison:compare", "autoshrink.study.page:write", "autoshrink.study.traces:read"),
        ),
    )
}
QUICK_RULES = frozenset(step.rule for step in STEPS.values() if step.is_quick)
