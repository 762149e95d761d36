"""Networks read from models: torch modules (cells' networks, torchvision's) and ONNX files."""
