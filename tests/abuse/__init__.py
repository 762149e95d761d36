"""Hundreds of damages, tamperings, kills and mistakes, each counted; `make abuse` writes docs/reference/abuse.md."""
