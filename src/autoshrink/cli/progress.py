"""Report progress as plain lines with the time elapsed."""

import time
from collections.abc import Mapping

import click


class Lines:
    """Says one line per event on stderr, prefixed by what is being done and the seconds since the start."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.started = time.monotonic()

    def say(self, what: str, values: Mapping[str, float]) -> None:
        """Print an event and its numbers."""
        numbers = "".join(f", {key.replace('_', ' ')} {value:.4g}" for key, value in values.items())
        click.echo(f"[{time.monotonic() - self.started:6.1f} s] {self.subject} {what}{numbers}", err=True)

    def remaining(self, done: float) -> float:
        """Return an estimate of the seconds left when the share ``done`` (0 to 1) is behind."""
        passed = time.monotonic() - self.started
        return passed / done - passed if done > 0 else 0.0
