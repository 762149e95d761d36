"""Locate and load trained models."""
