"""Ask SLURM: the states of jobs, why they wait or how they ended, and what partitions allow."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

# fmt: off
LIVE = frozenset({
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD",
    "RESIZING", "RESV_DEL_HOLD", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED",
})
# fmt: on
"""States of jobs that have not ended."""
REQUEUED = frozenset({"NODE_FAIL", "PREEMPTED"})
"""States in which a job has ended, unless SLURM puts it back into the queue a moment later."""
FIELDS = "%i|%T|%r|%M|%l|%m|%N"
OUT_OF_MEMORY, TIMEOUT = "OUT_OF_MEMORY", "TIMEOUT"

# reasons for which a job waits for ever, unless somebody changes the job or the cluster, and what to do about them
NEVER = {
    "PartitionTimeLimit": "it asks for more time than its partition allows: lower its runtime or change its partition",
    "PartitionNodeLimit": "it asks for more nodes than its partition allows: ask for fewer or change its partition",
    "PartitionConfig": "its partition has no such nodes: ask for less, or choose another partition",
    "BadConstraints": "no node has what it asks for: ask for less, or choose another partition",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition is inactive",
    "InvalidAccount": "its account is not valid: set slurm_account",
    "InvalidQOS": "its quality of service is not valid",
    "JobHeldUser": "it is held: scontrol release",
    "JobHeldAdmin": "an administrator holds it",
}
_KILLED_FOR_MEMORY = re.compile(r"^(?:slurmstepd|srun)\b.*(?:oom.kill|out.of.memory|memory limit)", re.I | re.M)


@dataclass(frozen=True)
class JobState:
    """A job as ``squeue`` or ``sacct`` shows it; times, memory and nodes are SLURM's own words."""

    state: str
    reason: str = ""
    elapsed: str = ""
    limit: str = ""
    memory: str = ""
    nodes: str = ""


@dataclass(frozen=True)
class Partition:
    """What a partition allows: ``minutes`` a job (None: no limit), and its largest node's memory and CPUs."""

    name: str
    is_default: bool
    minutes: int | None
    mem_mb: int
    cpus: int


def parse_jobs(text: str) -> dict[str, JobState]:
    """Return jobs by their ids from lines of FIELDS, or of sacct's in the same order."""
    found = {}
    for line in text.splitlines():
        number, *values = (value.strip() for value in line.split("|"))
        if number and values and values[0]:
            state = values[0].split()[0]  # sacct: "CANCELLED by 1000"
            found[number] = JobState(state, *(value if value != "(null)" else "" for value in values[1:6]))
    return found


def jobs(*options: str) -> dict[str, JobState] | None:
    """Return the jobs that ``squeue`` knows, ended ones too; None where SLURM does not answer."""
    done = _ask("squeue", "--noheader", "--array", "--states=all", f"--format={FIELDS}", *options)
    if done is None or (done.returncode and "Invalid job id" not in done.stderr):
        return None
    return parse_jobs(done.stdout)


def accounted(ids: Iterable[str]) -> dict[str, JobState]:
    """Return the jobs that the accounting knows; empty where there is none."""
    wanted = ",".join(ids)
    fields = "JobIDRaw,State,Reason,Elapsed,Timelimit,ReqMem,NodeList"
    done = _ask("sacct", "-X", "--parsable2", "--noheader", f"--format={fields}", f"--jobs={wanted}")
    return {} if done is None or done.returncode else parse_jobs(done.stdout)


def ended(number: str, found: JobState | None, log: str = "") -> tuple[str, str]:
    """Return why a job ended that did not complete, as one of SLURM's states, and the same in words.

    ``log`` is what SLURM wrote of the job: without it, a job step that was killed for memory looks like any failure.
    """
    if found is None:
        return "UNKNOWN", f"SLURM no longer knows job {number}"
    cause = found.state
    if cause in ("FAILED", "CANCELLED") and _KILLED_FOR_MEMORY.search(log):
        cause = OUT_OF_MEMORY
    about = f"SLURM job {number}: {cause}"
    if cause == TIMEOUT and found.limit:
        about += f", it reached its time limit of {found.limit}"
    elif cause == OUT_OF_MEMORY and found.memory:
        about += f", it took more than the {found.memory} it had asked for"
    elif found.reason not in ("", "None", "NonZeroExitCode", cause):
        about += f" ({found.reason})"
    if found.elapsed:
        about += f"; it ran for {found.elapsed}"
    return cause, about + (f" on {found.nodes}" if found.nodes else "")


def waits(found: JobState) -> str | None:
    """Return why a job will wait until somebody does something; None where it only waits its turn, or does not wait."""
    if found.state != "PENDING" or found.reason not in NEVER:
        return None
    return f"{found.reason}: {NEVER[found.reason]}"


def parse_partitions(text: str) -> dict[str, Partition]:
    """Return partitions by name from lines of ``sinfo --exact --format=%P|%l|%m|%c``, one per kind of node."""
    found: dict[str, Partition] = {}
    for line in text.splitlines():
        name, limit, memory, cpus = (value.strip() for value in line.split("|"))
        key = name.removesuffix("*")
        before = found.get(key)
        found[key] = Partition(
            key,
            name.endswith("*"),
            minutes(limit),
            max(int(memory.rstrip("+")), before.mem_mb if before else 0),
            max(int(cpus.rstrip("+")), before.cpus if before else 0),
        )
    return found


def partitions() -> dict[str, Partition] | None:
    """Return the cluster's partitions; None where SLURM does not answer."""
    done = _ask("sinfo", "--noheader", "--exact", "--format=%P|%l|%m|%c")
    return None if done is None or done.returncode else parse_partitions(done.stdout)


def minutes(limit: str) -> int | None:
    """Return a time limit of SLURM's, such as 30:00, 1:00:00 or 2-00:00:00, in minutes; None where there is none."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit)
    if match is None:
        return None
    days, hours, rest = (int(part or 0) for part in match.groups()[:3])
    return 1440 * days + 60 * hours + rest


def cancel(number: str) -> None:
    """Cancel a job, whatever state it is in."""
    _ask("scancel", number)


def _ask(*words: str) -> subprocess.CompletedProcess[str] | None:
    """Run one of SLURM's commands; None where it is not there or does not come back in a minute."""
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=60)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
