"""Device files: the YAML in which a user describes an array of accelerators, checked and told of in one line each."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from autoshrink.errors import UserError
from autoshrink.params.base import Section
from autoshrink.planner.array import Accelerator, Array, Group, joined, uniform

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=65_536)]


class AcceleratorEntry(Section):
    """One kind of device."""

    peak_tflops: Positive
    """Peak speed, 10^12 floating-point operations a second."""
    memory_gb: Positive
    """Memory, 10^9 bytes."""
    bandwidth_gbit_s: Positive
    """What it receives over its link, 10^9 bits a second."""


class Devices(Section):
    """Equal devices, halved again and again down to one."""

    accelerator: str
    """Which of ``accelerators``."""
    count: Count = 1
    """How many."""
    links: Count | None = None
    """How many devices of a side receive at once at each split; null: each, over its own link."""


class Subarray(Section):
    """Devices of several kinds that form one side."""

    array: Annotated[list["Devices | Subarray"], Field(min_length=1)]
    """Its parts; the list is split in half again and again."""
    links: Count | None = None
    """How many devices of a side receive at once at these splits; null: each, over its own link."""


class DeviceFile(Section):
    """A device file as a whole."""

    name: str
    """What the array is called."""
    bytes_per_number: Literal[1, 2, 4, 8] = 2
    """How numbers are sent and kept."""
    accelerators: Annotated[dict[str, AcceleratorEntry], Field(min_length=1)]
    """The kinds of device."""
    array: Annotated[list[Devices | Subarray], Field(min_length=1)]
    """The devices; the list is split in half again and again."""
    links: Count | None = None
    """How many devices of a side receive at once at these splits; null: each, over its own link."""
    shares: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None = None
    """Shares of the first split's sides; null: the planner's choice."""

    @model_validator(mode="after")
    def _adds_up(self) -> "DeviceFile":
        if self.shares is not None and abs(sum(self.shares) - 1) > 1e-9:
            raise ValueError(f"shares {self.shares} add up to {sum(self.shares):.6g}; accepted: two that add up to 1")
        return self

    @model_validator(mode="after")
    def _known_accelerators(self) -> "DeviceFile":
        waiting = list(self.array)
        while waiting:
            item = waiting.pop()
            if isinstance(item, Subarray):
                waiting += item.array
            elif item.accelerator not in self.accelerators:
                known = ", ".join(sorted(self.accelerators))
                raise ValueError(f"array: {item.accelerator!r} is no entry of accelerators; accepted: {known}")
        return self

    def to_array(self) -> Array:
        """Return the array that the file describes."""
        kinds = {
            name: Accelerator(name, entry.peak_tflops * 1e12, entry.memory_gb * 1e9, entry.bandwidth_gbit_s * 1e9 / 8)
            for name, entry in self.accelerators.items()
        }

        def group(item: Devices | Subarray) -> Group:
            if isinstance(item, Devices):
                return uniform(kinds[item.accelerator], item.count, item.links)
            return joined([group(part) for part in item.array], item.links)

        root = joined([group(item) for item in self.array], self.links)
        shares = None if self.shares is None else (self.shares[0], self.shares[1])
        return Array(self.name, root, self.bytes_per_number, shares)


def names() -> list[str]:
    """Return the names of the arrays that come along."""
    files = resources.files("autoshrink.planner") / "arrays"
    return sorted(file.name.removesuffix(".yaml") for file in files.iterdir() if file.name.endswith(".yaml"))


def read(what: str) -> Array:
    """Return the array in the device file ``what``, or the one of that name that comes along.

    Raises UserError, one line per mistake: the file, the key, what was found and what is accepted.
    """
    path = Path(what)
    if what in names():
        text = (resources.files("autoshrink.planner") / "arrays" / f"{what}.yaml").read_text(encoding="utf-8")
    else:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            known = ", ".join(names())
            raise UserError(f"{what}: there is no such device file; give a file, or the name of one: {known}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{what}: cannot be read as UTF-8 text ({error})") from None
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{what}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise UserError(f"{what}: expected keys and values (name, accelerators, array), found {type(value).__name__}")
    try:
        found = DeviceFile.model_validate(value)
    except ValidationError as error:
        raise UserError("\n".join(_lines(what, error))) from None
    array = found.to_array()
    if array.shares and array.root.sides is None:
        raise UserError(f"{what}: shares: one device has no split to share; remove the key")
    return array


_MESSAGES = {
    "missing": "this key is required",
    "extra_forbidden": "this key is not known here",
}


def _lines(origin: str, error: ValidationError) -> list[str]:
    found: list[str] = []
    for item in error.errors():
        # pydantic names the members of a union in the location; the user's file does not
        location = [str(part) for part in item["loc"] if part not in ("Devices", "Subarray")]
        key = ".".join(location)
        message = _MESSAGES.get(item["type"], item["msg"].removeprefix("Value error, "))
        given: Any = item["input"]
        shown = f" = {given!r}" if item["type"] not in ("missing", "value_error") and _short(given) else ""
        hint = ""
        if location[:1] == ["accelerators"] and item["type"] == "missing":
            hint = "; an accelerator has peak_tflops, memory_gb and bandwidth_gbit_s"
        line = f"{origin}: {key}{shown}: {message}{hint}" if key else f"{origin}: {message}"
        if line not in found:
            found.append(line)
    return found


def _short(value: object) -> bool:
    return not isinstance(value, dict | list)
