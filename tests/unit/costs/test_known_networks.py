from autoshrink.costs import known_networks


def test_torchvision_s_architectures_cost_what_their_papers_say() -> None:
    """Parameters with batch norm and MACs without, to the digits that the literature prints."""
    rows = {row.name: row for row in known_networks.counted()}
    found = {
        name: (round(row.parameters_with_batch_norm / 1e6, 1), round(row.macs / 1e6)) for name, row in rows.items()
    }
    assert found == {
        "MobileNetV2 1.0": (3.5, 301),
        "MobileNetV2 1.4": (6.1, 582),
        "MobileNetV3 small": (2.5, 57),
        "MobileNetV3 large": (5.5, 217),
        "ShuffleNetV2 1.5x": (3.5, 296),
        "MnasNet 1.0": (4.4, 314),
        "EfficientNet-B0": (5.3, 386),
    }
    assert rows["MobileNetV2 1.0"].quality == {"accuracy_top1": 0.71878}
    assert rows["MobileNetV2 1.4"].quality == {}
