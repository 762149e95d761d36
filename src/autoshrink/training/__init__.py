"""The training loop that all tasks share: epochs, checkpoints, history, progress, preemption, processes."""
