"""The cell: its DAG, canonical form, released cells, resolution of names and files, drawing. Never imports torch."""
