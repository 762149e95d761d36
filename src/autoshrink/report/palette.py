"""Colours of the charts: one meaning, one colour, in every figure and on the page (Okabe and Ito's)."""

CANDIDATE = "#8a93a3"
SELECTED = "#0072b2"
BEST = "#d55e00"
FRONT = "#cc79a7"

MEANINGS = {"candidate": CANDIDATE, "kept by its round": SELECTED, "best of the search": BEST, "Pareto front": FRONT}
