"""Devices, processes, numerics, named seeds and preemption."""
