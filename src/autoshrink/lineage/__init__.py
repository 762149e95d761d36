"""Who made which artifact from what: records beside artifacts, questions to them, their verification and their export.

Knows nothing of how anything is computed; imports no torch.
"""
