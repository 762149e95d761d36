"""Using a trained model: find and load it, classify images, score and continue text."""
