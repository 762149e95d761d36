import sys
from pathlib import Path

# the made run that the lineage room's tests use
sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "lineage"))
# folders in which the smoke preset is really run
sys.path.insert(0, str(Path(__file__).parents[1] / "functional"))
