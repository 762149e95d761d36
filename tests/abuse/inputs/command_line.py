"""Bad command lines: verbs, options, arguments."""

from collections.abc import Iterator

from tests.abuse.inputs.cases import DEFAULTS, Case


def command_line() -> Iterator[tuple[str, Case]]:
    """Verbs, options and arguments that are none."""
    lines: dict[str, tuple[list[str], str]] = {
        "chek": (["chek"], "did you mean 'check'"),
        "trian": (["trian"], "did you mean 'train'"),
        "a verb in capitals": (["CHECK"], "no such verb"),
        "an empty verb": ([""], "no such verb"),
        "an unknown option": (["check", "--parms", "x"], "(?i)no such option"),
        "an option without a value": (["check", "--params"], "(?i)requires an argument"),
        "an argument too many": (["check", "more"], "(?i)unexpected extra argument"),
        "prepare nothing": (["prepare", "--out", "x"], "(?i)missing argument"),
        "prepare into nothing": (["prepare", "digits", "--out"], "(?i)requires an argument"),
        "prepare the unknown": (["prepare", "digit", "--params", DEFAULTS, "--out", "x"], "did you mean 'digits'"),
        "an unknown task": (["start", "--task", "gan", "--search", "shrink-0", "--out", "x"], "gan"),
        "a search without a seed": (
            ["start", "--params", DEFAULTS, "--task", "cnn", "--search", "shrink", "--out", "x"],
            "expected STRATEGY-SEED",
        ),
        "an unknown strategy": (
            ["start", "--params", DEFAULTS, "--task", "cnn", "--search", "shrnk-0", "--out", "x"],
            "shrnk",
        ),
        "cost of nothing": (["cost"], "(?i)missing option"),
        "an unknown preset": (["cost", "--cell", "shrinkcnn-a", "--preset", "papr"], "papr"),
        "export of nothing": (["export", ".", "--format", "onnx"], "holds no trained model"),
        "export to the unknown": (["export", ".", "--format", "tflite"], "tflite"),
        "predict by 0": (["predict", ".", ".", "--top", "0"], "top"),
        "predict on 0 threads": (["predict", ".", ".", "--threads", "0"], "threads"),
        "evaluate no slots": (
            [
                "evaluate",
                "--task",
                "cnn",
                "--proposal",
                "x",
                "--slots",
                "2:1",
                "--params",
                DEFAULTS,
                "--data",
                "x",
                "--store",
                "x",
                "--out",
                "y",
            ],
            "expected FIRST:END",
        ),
        "status of nothing": (["status", "nowhere"], "nowhere"),
        "verify nothing": (["lineage", "verify", "nowhere"], "nowhere"),
        "an unknown verb of lineage": (["lineage", "verfy"], "(?i)no such command"),
    }
    for name, (words, says) in lines.items():
        yield name, Case(lambda folder, words=words: words, says)
