"""What the benchmarks of strategies and of scale count and simulate."""

from dataclasses import replace

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
    bare = scale.Overheads(planning=0.0, job=0.0, process=1.0, proposing=0.0, keeping=0.0, queue=0.0)
    alone = scale.play(1, scale.K, 4.0, bare)
    assert alone["hours"] * 3600 == pytest.approx(busy + starts, rel=0.01)
    hours = [scale.play(workers, 1, 4.0, bare)["hours"] for workers in (1, 8, 64, 1024)]
    assert hours == sorted(hours, reverse=True)
    # beyond a worker for each candidate of each search, rounds follow each other: a training and the host's processes
    assert hours[-1] * 3600 >= scale.ROUNDS * (4.0 + 1.0)


def test_each_overhead_of_a_simulated_run_costs_what_it_says() -> None:
    """Planning comes once, a queue for every job, and Snakemake's one process limits many workers."""
    bare = scale.Overheads(planning=0.0, job=0.0, process=1.0, proposing=0.0, keeping=0.0, queue=0.0)
    jobs = scale.SEARCHES * scale.CANDIDATES
    seconds = {
        name: 3600 * scale.play(workers, 1, 4.0, replace(bare, **{name: value}))["hours"]
        for name, value, workers in (
            ("planning", 3600.0, 1),
            ("queue", 13.0, 1),
            ("keeping", 0.5, 1),
            ("job", 1.0, 1024),
        )
    }
    alone = 3600 * scale.play(1, 1, 4.0, bare)["hours"]
    assert seconds["planning"] - alone == pytest.approx(3600, rel=0.02)
    assert seconds["queue"] - alone == pytest.approx(13 * jobs, rel=0.01)
    assert seconds["keeping"] - alone == pytest.approx(0.5 * jobs, rel=0.01)
    assert seconds["job"] >= jobs
