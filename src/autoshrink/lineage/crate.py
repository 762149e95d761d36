"""Pack a run as an RO-Crate: a folder or zip of plain files, described by ro-crate-metadata.json.

Follows the Provenance Run Crate profile (w3id.org/ro/wfrun): the workflow, one tool per verb, and one action per step
that was run, with what it read, what it wrote and when. Opening it needs nothing of ours.
"""

import importlib.metadata
import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from autoshrink.errors import UserError
from autoshrink.files import artifacts
from autoshrink.lineage import graph, records, telling
from autoshrink.lineage.graph import Run
from autoshrink.lineage.records import Record
from autoshrink.lineage.verify import LEFTOVER, SET_ASIDE
from autoshrink.records.timing import StepTiming
from autoshrink.workflow.steps import STEPS

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_TERMS = {name: f"https://w3id.org/ro/terms/workflow-run#{name}" for name in ("sha256", "resourceUsage")}


@dataclass
class _Packing:
    """A crate under way: where each file of the run went in it."""

    crate: ROCrate
    run: Run
    files: dict[Path, Entity]

    def add(self, kind: str | list[str], identifier: str, **properties: Any) -> Entity:
        """Add an entity that is no file."""
        entity = ContextEntity(self.crate, identifier, {"@type": kind, **properties})
        return self.crate.add(entity)


def export(run: Run, workflow: Path, out: Path, license_text: str) -> None:
    """Write the run as an RO-Crate to ``out``: a new folder, or a zip where the name ends so.

    ``workflow`` is the Snakefile; what lies in the folder ``workflow/`` beside it goes along. Raw data and evaluations'
    store stay: rounds hold their evaluations, manifests the data's digests. Raises UserError where ``out`` is taken.
    """
    if out.exists():
        raise UserError(f"--out {out}: is there already; name a new folder or zip")
    if not workflow.is_file():
        raise UserError(f"--workflow {workflow}: there is no such file; give the Snakefile of the run")
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(_TERMS)
    packing = _Packing(crate, run, {})
    steps = [record for record in run.records.values() if record.verb in STEPS and _is_of_run(record, run)]
    steps.sort(key=lambda record: (list(STEPS).index(record.verb), record.path))
    _add_files(packing, steps)
    main = _add_workflow(packing, workflow)
    actions = _add_actions(packing, steps)
    _describe(packing, main, steps, actions, license_text)
    if out.suffix == ".zip":
        crate.write_zip(out)
    else:
        crate.write(out)


def _is_of_run(record: Record, run: Run) -> bool:
    return record.path.is_relative_to(run.results) or record.verb == "prepare"


def _add_files(packing: _Packing, steps: Iterable[Record]) -> None:
    """Add the run's artifacts, their records and timings, the parameters' snapshots; of data sets the manifest."""
    run = packing.run
    for path in graph.walk(run.results):
        if path.parent.name != "checkpoints" and not SET_ASIDE.search(path.name) and not LEFTOVER.match(path.name):
            _add_file(packing, path, f"results/{path.relative_to(run.results).as_posix()}")
    for record in steps:
        if record.verb == "prepare":
            name = record.artifact.parent.name
            for path in (record.artifact, record.path, artifacts.timing_path(record.artifact)):
                if path.is_file():
                    _add_file(packing, path, f"data/{name}/{path.name}")


def _add_file(packing: _Packing, path: Path, place: str) -> None:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    properties = {
        "name": place,
        "encodingFormat": "application/yaml" if path.suffix == ".yaml" else kind,
        "contentSize": str(path.stat().st_size),
        "sha256": artifacts.digest_of_file(path),
    }
    packing.files[path] = packing.crate.add_file(path, dest_path=place, properties=properties)


def _add_workflow(packing: _Packing, workflow: Path) -> Entity:
    crate = packing.crate
    properties = {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": "AutoShrink: cells found by shrinking, trained, measured",
    }
    main = crate.add_workflow(workflow, "Snakefile", properties=properties, main=True, lang="snakemake", gen_cwl=False)
    for path in graph.walk(workflow.parent / "workflow"):
        crate.add_file(path, dest_path=path.relative_to(workflow.parent).as_posix(), properties={"name": path.name})
    return main


def _add_actions(packing: _Packing, steps: list[Record]) -> dict[str, list[Entity]]:
    """Add one action per step that was run; return them by verb."""
    actions: dict[str, list[Entity]] = {}
    tools = {record.verb: f"#tool-{record.verb}" for record in steps}
    versions = sorted({telling.code(record) for record in steps})
    for verb, identifier in tools.items():
        packing.add(
            "SoftwareApplication",
            identifier,
            name=f"autoshrink {verb}",
            description=STEPS[verb].purpose,
            softwareVersion=", ".join(versions),
        )
    for number, record in enumerate(steps):
        place = packing.files[record.path].id
        parameters = [_value(packing, f"{place}#{key}", key, value) for key, value in sorted(_settings(record).items())]
        read = [packing.files[path] for path in record.inputs if path in packing.files]
        made = [packing.files[path] for path in record.outputs if path in packing.files]
        action = packing.add(
            "CreateAction",
            f"#action-{number:04d}",
            name=f"autoshrink {record.verb}: {place.removesuffix(records.SUFFIX)}",
            description=telling.what(record) or STEPS[record.verb].purpose,
            **_times(record),
        )
        action["instrument"] = packing.crate.dereference(tools[record.verb])
        action["object"] = [*read, *parameters, packing.files[record.path]]
        action["result"] = made
        usage = StepTiming.beside(record.artifact).to_json().get("seconds")
        if usage is not None:
            seconds = _value(packing, f"{place}#seconds", "seconds", usage)
            seconds["propertyID"] = "https://schema.org/duration"
            seconds["unitCode"] = "https://qudt.org/vocab/unit/SEC"
            action["resourceUsage"] = seconds
        actions.setdefault(record.verb, []).append(action)
    return actions


def _settings(record: Record) -> Mapping[str, Any]:
    """Return what a step was given besides files: its subject and its seeds, as single values."""
    seeds = record.facts.seeds
    told = {} if seeds is None else {"seed": seeds.root, "draws": ", ".join(seeds.draws)}
    return {**(record.facts.subject or {}), **told}


def _value(packing: _Packing, identifier: str, name: str, value: Any) -> Entity:
    return packing.add("PropertyValue", f"#{identifier}", name=name, value=value)


def _times(record: Record) -> dict[str, str]:
    timing = StepTiming.beside(record.artifact).to_json()
    names = {"startTime": "started", "endTime": "ended"}
    return {name: timing[key] for name, key in names.items() if key in timing}


def _describe(
    packing: _Packing, main: Entity, steps: list[Record], actions: dict[str, list[Entity]], license_text: str
) -> None:
    """Say what the crate is, and tie workflow, steps, tools and actions together as the profile asks."""
    crate = packing.crate
    times = [_times(record) for record in steps]
    started = min((item["startTime"] for item in times if "startTime" in item), default=None)
    ended = max((item["endTime"] for item in times if "endTime" in item), default=None)
    root = crate.root_dataset
    root["name"] = "A run of AutoShrink"
    root["description"] = (
        "Rounds, evaluations, best cells, models, metrics and figures of a run, with their provenance."
    )
    root["license"] = license_text
    root["datePublished"] = ended or datetime.now(UTC).isoformat(timespec="seconds")
    root["conformsTo"] = [
        packing.add("CreativeWork", identifier, name=name, version=identifier.rpartition("/")[2])
        for identifier, name in PROFILES.items()
    ]
    controls, tools, listed = [], [], []
    for position, (verb, made) in enumerate(actions.items(), start=1):
        tool = crate.dereference(f"#tool-{verb}")
        step = packing.add("HowToStep", f"Snakefile#{verb}", name=verb, position=str(position))
        step["workExample"] = tool
        for action in made:
            control = packing.add("ControlAction", f"#control-{action.id.lstrip('#')}", name=f"orchestrate {verb}")
            control["instrument"], control["object"] = step, action
            controls.append(control)
        tools.append(tool)
        listed.append(step)
    main["hasPart"], main["step"] = tools, listed
    given = [file for path, file in packing.files.items() if path.parent.name == "params"]
    answers = [file for path, file in packing.files.items() if path.name == "metrics.json"]
    main["input"] = [_formal(packing, "parameters", "The parameters of the run", given)] if given else []
    main["output"] = [_formal(packing, "metrics", "What the final models are worth", answers)] if answers else []
    main["version"] = ", ".join(sorted({telling.code(record) for record in steps}))
    told = "From raw data through the searches' rounds to final models, metrics and report."
    whole = packing.add("CreateAction", "#run", name="A run of AutoShrink", description=told)
    whole["instrument"], whole["object"], whole["result"] = main, given, answers
    for name, value in (("startTime", started), ("endTime", ended)):
        if value is not None:
            whole[name] = value
    engine = packing.add("SoftwareApplication", "#snakemake", name="Snakemake", url="https://snakemake.github.io")
    engine["softwareVersion"] = importlib.metadata.version("snakemake")
    organised = packing.add("OrganizeAction", "#orchestration", name="Snakemake runs the workflow")
    organised["instrument"], organised["object"], organised["result"] = engine, controls, whole
    root["mentions"] = [whole, organised, *(action for made in actions.values() for action in made)]


def _formal(packing: _Packing, name: str, description: str, examples: list[Entity]) -> Entity:
    formal = packing.add("FormalParameter", f"#parameter-{name}", name=name, description=description)
    formal["additionalType"] = "File"
    formal["valueRequired"] = "True"
    formal["workExample"] = examples
    formal["conformsTo"] = packing.add(
        "CreativeWork", "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE", name="FormalParameter profile"
    )
    for example in examples:
        example["exampleOfWork"] = formal
    return formal
