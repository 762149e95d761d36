"""Stands in for the commands of LSF, Grid Engine and PBS: takes their options and prints their words.

A job's script runs at once in the background; its options and its end are kept in the folder SCHEDULER_STATE. An option
that the scheduler does not have ends the command with status 2.
"""

import os
import subprocess
import sys
from pathlib import Path

STATE = Path(os.environ["SCHEDULER_STATE"])
SCHEDULER = os.environ["SCHEDULER"]
# options of the submitting commands that take a value, and those that take none
OPTIONS = {
    "lsf": ({"-J", "-n", "-R", "-W", "-M", "-gpu", "-o"}, set()),
    "sge": ({"-N", "-pe", "-l", "-j", "-o"}, {"-terse", "-V", "-cwd"}),
    "pbs": ({"-N", "-l", "-j", "-o"}, {"-V"}),
}
RUN = 'sh "$1" > "$2.log" 2>&1; echo $? > "$2.new"; mv "$2.new" "$2.end"'


def submit(words: list[str]) -> str:
    """Start a job and return its number."""
    with_value, without = OPTIONS[SCHEDULER]
    options, rest = [], list(words)
    while rest and rest[0].startswith("-"):
        name = rest.pop(0)
        if name not in with_value | without:
            sys.exit(f"{SCHEDULER}: no option {name}")
        count = 0 if name in without else 2 if name == "-pe" else 1
        options.append(" ".join([name, *(rest.pop(0) for _ in range(count))]))
    number = str(len(list(STATE.glob("*.options"))) + 1)
    place = STATE / number
    place.with_suffix(".options").write_text("\n".join(options) + "\n")
    subprocess.Popen(["sh", "-c", RUN, "sh", rest[0], str(place)], start_new_session=True)
    return number


def ended(number: str) -> int | None:
    """Return a job's exit status; None while it runs."""
    file = STATE / f"{number.partition('.')[0]}.end"
    return int(file.read_text()) if file.exists() else None


def answer(command: str, words: list[str]) -> str:
    """Return what the command prints."""
    number = words[-1] if words else ""
    match SCHEDULER, command:
        case "lsf", "bsub":
            return f"Job <{submit(words)}> is submitted to default queue <normal>."
        case "lsf", "bjobs":
            assert words[:3] == ["-noheader", "-o", "stat"]
            return {None: "RUN", 0: "DONE"}.get(ended(number), "EXIT")
        case "sge", "qsub":
            return submit(words)
        case "sge", "qstat" if not words:
            return ""
        case "sge", "qstat":
            assert words[0] == "-j"
            return "job_number" if ended(number) is None else sys.exit(f"Following jobs do not exist: {number}")
        case "sge", "qacct":
            return f"jobnumber    {number}\nfailed       0\nexit_status  {ended(number)}"
        case "pbs", "qsub":
            return f"{submit(words)}.server"
        case "pbs", "qstat":
            assert words[:2] == ["-x", "-f"]
            status = ended(number)
            end = "R" if status is None else f"F\n    Exit_status = {status}"
            return f"Job Id: {number}\n    job_state = {end}"
    sys.exit(f"{SCHEDULER} has no command {command}")


if __name__ == "__main__":
    print(answer(Path(sys.argv[0]).name, sys.argv[1:]))
