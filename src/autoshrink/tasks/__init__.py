"""What can be searched for: image classifiers and language models, each in a package of its own."""
