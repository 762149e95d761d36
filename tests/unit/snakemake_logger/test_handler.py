"""What is said of a run, by Snakemake's events and the artifacts of a made run."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from autoshrink import params
from autoshrink.records.progress import ProgressFile
from snakemake_logger_plugin_autoshrink import LogHandler
from snakemake_logger_plugin_autoshrink.handler import Job
from snakemake_logger_plugin_autoshrink.view import View
from tests.unit.report import made_run

SETTINGS = {"dryrun": False, "verbose": False, "stdout": False, "nocolor": True}


def record(message: str = "", level: int = logging.INFO, **facts: Any) -> logging.LogRecord:
    """Return one of Snakemake's records."""
    return logging.makeLogRecord({"msg": message, "levelno": level, "levelname": logging.getLevelName(level), **facts})


def job(number: int, rule: str, log: str = "", **wildcards: str) -> logging.LogRecord:
    """Return the record that announces a step."""
    told: dict[str, Any] = {"rule_name": rule, "rule_msg": f"doing {rule}", "wildcards": wildcards}
    return record(event=LogEvent.JOB_INFO, jobid=number, **told, log=[log] if log else [])


@pytest.fixture
def handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LogHandler]:
    """A handler beside a made run of one image search."""
    chosen = made_run.parameters(cnn={"nodes": 4, "k": 3}, rnn={"nodes": 4, "k": 3})
    made_run.run(tmp_path / "results", chosen)
    monkeypatch.setenv("AUTOSHRINK_PARAMS", str(params.freeze(chosen, tmp_path / "results" / "params")))
    made = LogHandler(SimpleNamespace(**SETTINGS), None)  # type: ignore[arg-type]
    yield made
    made.close()


def test_snakemake_finds_it() -> None:
    """The package is a logger plugin by Snakemake's rules, called autoshrink."""
    assert "autoshrink" in LoggerPluginRegistry().get_registered_plugins()


def test_a_log_has_a_line_per_round(handler: LogHandler, capsys: pytest.CaptureFixture[str]) -> None:
    """A round's line names the round and the best so far; quick steps and Snakemake's chatter have none."""
    for number, rule in enumerate(("propose", "evaluate", "select")):
        handler.emit(job(number, rule, task="cnn", search="shrink-0", round="01"))
        handler.emit(
            record("Select jobs to execute...", event=None)
            if rule == "propose"
            else record(event=LogEvent.PROGRESS, done=1, total=9)
        )
        handler.emit(record(event=LogEvent.JOB_FINISHED, job_id=number))
    handler.emit(job(9, "train", task="cnn", search="shrink-0"))
    handler.emit(record("\nDone. Look at results/report/index.html", farewell=True))
    said = capsys.readouterr().err.splitlines()
    assert "cnn shrink-0: " in said[1] and "has the best mean score: " in said[1]
    assert "ended (" in said[1]
    assert said[2].endswith("doing train")
    assert said[-1] == "Done. Look at results/report/index.html"
    assert len(said) == 5


def test_a_failed_step_shows_its_last_words(
    handler: LogHandler, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The end of the log of a step that failed is shown, and what Snakemake says of its shell is not."""
    log = tmp_path / "train.log"
    log.write_text("".join(f"line {number}\n" for number in range(30)))
    handler.emit(job(4, "train", str(log), task="cnn", search="shrink-0"))
    handler.emit(record("Error in rule train", logging.ERROR, event=LogEvent.JOB_ERROR, jobid=4, log=[str(log)]))
    handler.emit(record("CalledProcessError", logging.ERROR, event=LogEvent.ERROR, exception="CalledProcessError"))
    handler.emit(record("no space left", logging.ERROR, event=None))
    said = capsys.readouterr().err
    assert "FAILED: doing train" in said
    assert "    line 29" in said and "    line 20\n" in said and "line 19" not in said
    assert "CalledProcessError" not in said
    assert "no space left" in said


def test_the_view_shows_progress_not_the_log(tmp_path: Path) -> None:
    """A step's row has its task, search and newest event; its progress file is never shown as a log."""
    log, path = tmp_path / "train.log", tmp_path / "train.progress.jsonl"
    log.write_text("a warning\n")
    facts = {"rule_name": "train", "wildcards": {"task": "cnn", "search": "shrink-0"}, "log": [str(log), str(path)]}
    view = View(None)
    view.jobs[1] = Job.of(facts)
    assert [str(row) for row in view.rows()] == ["  cnn shrink-0 train: a warning"]
    with ProgressFile(path) as progress:
        progress.write("epoch", epoch=12, epochs=100, seconds_left=720.0, numbers={"validation_loss": 0.4321})
        assert [str(row) for row in view.rows()] == ["  cnn shrink-0 train: epoch 12 of 100, 12 min left: loss 0.4321"]


def test_eighty_columns_show_whole_numbers(tmp_path: Path) -> None:
    """Epoch, time left, loss and quality come first, and a number that does not fit is left out, not cut."""
    log, path = tmp_path / "train.log", tmp_path / "train.progress.jsonl"
    log.write_text("")
    wildcards = {"task": "cnn", "search": "shrink-12", "network": "mobilenet_v2"}
    view = View(None)
    view._console = Console(width=80)
    view.jobs[1] = Job.of({"rule_name": "train_reference", "wildcards": wildcards, "log": [str(log), str(path)]})
    numbers = {"validation_loss": 0.43217, "validation_accuracy": 0.91234, "train_loss": 0.3, "train_accuracy": 0.9}
    with ProgressFile(path) as progress:
        progress.write("epoch", epoch=112, epochs=600, seconds_left=5400.0, numbers=numbers)
        (row,) = (str(row) for row in view.rows())
        view._console = Console(width=100)
        (wider,) = (str(row) for row in view.rows())
    assert row == "  cnn shrink-12 train mobilenet_v2: epoch 112 of 600, 90 min left: loss 0.4322"
    assert wider == row + ", accuracy 0.9123"


def test_a_log_has_a_line_per_epoch(
    handler: LogHandler, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each epoch of a final training is said once, also those that end while nobody looks; candidates' epochs not."""
    monkeypatch.setattr("snakemake_logger_plugin_autoshrink.handler.POLL_SECONDS", 0.01)
    log, path = tmp_path / "train.log", tmp_path / "train.progress.jsonl"
    facts: dict[str, Any] = {"rule_msg": "training", "wildcards": {"task": "cnn", "search": "shrink-0"}}
    with ProgressFile(path) as progress:
        for number, rule in enumerate(("train", "evaluate")):
            handler.emit(
                record(event=LogEvent.JOB_INFO, jobid=number, rule_name=rule, log=[str(log), str(path)], **facts)
            )
        progress.write("epoch", epoch=1, epochs=2, seconds_left=9.0, numbers={"validation_loss": 0.5})
        until = time.monotonic() + 10
        while not handler._seen()._epochs.get(path) and time.monotonic() < until:
            time.sleep(0.01)
        progress.write("epoch", epoch=2, epochs=2, numbers={"validation_loss": 0.25})
    for number in range(2):
        handler.emit(record(event=LogEvent.JOB_FINISHED, job_id=number))
    said = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines() if "epoch" in line]
    assert said == [
        "cnn shrink-0 train: epoch 1 of 2, 9 s left: validation loss 0.5",
        "cnn shrink-0 train: epoch 2 of 2: validation loss 0.25",
    ]


def test_a_mistake_is_said_once(handler: LogHandler, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log's only line, which the step has said itself, is not said again; that of a cluster's job is said here."""
    log = tmp_path / "prepare.log"
    log.write_text("autoshrink prepare: the mistake\n")
    facts = {"event": LogEvent.JOB_ERROR, "jobid": 4, "log": [str(log)]}
    handler.emit(record("Error", logging.ERROR, aux={}, **facts))
    assert "the mistake" not in capsys.readouterr().err
    handler.emit(record("Error", logging.ERROR, aux={"external_jobid": "17"}, **facts))
    assert "the mistake" in capsys.readouterr().err


def test_nothing_to_do_is_said(handler: LogHandler, capsys: pytest.CaptureFixture[str]) -> None:
    """Before there is a plan, what Snakemake says is passed on, less its preamble."""
    handler.emit(record("Building DAG of jobs...", event=None))
    handler.emit(record("Nothing to be done (all requested files are present and up to date).", event=None))
    assert capsys.readouterr().err.startswith("Nothing to be done")


def test_verbose_is_snakemakes_own(capsys: pytest.CaptureFixture[str]) -> None:
    """With --verbose every record is said in Snakemake's words."""
    own = LogHandler(SimpleNamespace(**{**SETTINGS, "verbose": True}), None)  # type: ignore[arg-type]
    own.emit(record("Select jobs to execute...", event=None))
    assert capsys.readouterr().err == "Select jobs to execute...\n"


def test_a_scheduler_s_words_are_told(
    handler: LogHandler, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which attempt failed and why by the scheduler, the log, and what follows; for a refusal no earlier log."""
    monkeypatch.setenv("AUTOSHRINK_ATTEMPTS", "2")
    log = tmp_path / "train.log"
    log.write_text("epoch 3\n")
    error: dict[str, Any] = {"event": LogEvent.JOB_ERROR, "jobid": 4, "log": [str(log), None]}
    for aux in (
        {"external_jobid": "7", "scheduler": "SLURM job 7: TIMEOUT"},
        {"scheduler": "sbatch refused the job: Invalid account"},
    ):
        handler.emit(job(4, "train", str(log), task="cnn", search="shrink-0"))
        handler.emit(record("Error in rule train", logging.ERROR, **error, aux=aux))
    told = capsys.readouterr().err.splitlines()
    said = [line.strip() for line in told if "] doing" not in line and "cnn shrink-0" not in line]
    assert said == [
        "FAILED (attempt 1 of 2): doing train",
        "SLURM job 7: TIMEOUT",
        f"the end of {log}:",
        "epoch 3",
        "attempt 2 follows",
        "FAILED (attempt 2 of 2): doing train",
        "sbatch refused the job: Invalid account",
        "no attempt is left",
    ]
