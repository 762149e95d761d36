"""What people and attackers hand in: a table of bad inputs, each with the words that must stand in its one line."""

from tests.abuse.inputs.cases import Case
from tests.abuse.inputs.cells import cells
from tests.abuse.inputs.command_line import command_line
from tests.abuse.inputs.data import data
from tests.abuse.inputs.models import models
from tests.abuse.inputs.parameters import parameters

TABLE: dict[str, Case] = {}
for _cases in (parameters, data, cells, models, command_line):
    for _name, _case in _cases():
        assert _name not in TABLE, f"{_name} stands twice in the table"
        TABLE[_name] = _case
