"""What the benchmarks of strategies and of scale count and simulate."""

import pytest

from benchmarks import scale, strategies


def test_networks_of_nas_bench_201_cost_what_its_file_says() -> None:
    """The first network of the benchmark: 15.64737 M operations and 0.129306 M parameters, as its API prints them."""
    first = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    assert strategies.nats_costs(first, 10) == (15_647_370, 129_306)


def test_no_simulated_run_is_faster_than_its_trainings() -> None:
    """One worker trains all the time but for processes; more are never slower, and each search waits for its rounds."""
    busy = scale.SEARCHES * scale.CANDIDATES * 4.0
    starts = scale.SEARCHES * scale.ROUNDS
    alone = scale.play(1, scale.K, 4.0, 1.0)
    assert alone["hours"] * 3600 == pytest.approx(busy + starts, rel=0.01)
    hours = [scale.play(workers, 1, 4.0, 1.0)["hours"] for workers in (1, 8, 64, 1024)]
    assert hours == sorted(hours, reverse=True)
    # beyond a worker for each candidate of each search, rounds follow each other: a training and the host's processes
    assert hours[-1] * 3600 >= scale.ROUNDS * (4.0 + 1.0)
