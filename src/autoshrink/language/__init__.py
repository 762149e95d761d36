"""Language models from cells: text, recurrent network, proxy, full training, test (paper, sections 4 and 5).

Mirrors the room ``vision`` file for file. Knows nothing of how cells are searched for.
"""
