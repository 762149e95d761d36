"""Tasks: image classification and language modelling, each in a package of its own."""
