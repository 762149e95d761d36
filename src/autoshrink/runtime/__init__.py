"""What code runs on and under: devices, processes, named seeds, preemption."""
