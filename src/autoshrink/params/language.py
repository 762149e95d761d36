"""Networks, proxy and full training of word-level language models (paper, sections 3 and 4)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from autoshrink.params.base import Section
from autoshrink.params.sections import TaskProxy, TaskProxyTraining, TaskReferences, TaskTraining

Probability = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]

REFERENCE_LAYERS = ("lstm", "gru")
"""Known recurrent layers that may take a cell's place, for comparison."""


class LanguageNetwork(Section):
    """The network around a cell: embedding, recurrent layer, decoder."""

    embedding: Annotated[int, Field(ge=1)] = 64
    """Width of a word's embedding."""
    hidden: Annotated[int, Field(ge=1)] = 64
    """Width of the hidden state."""
    tied: bool = True
    """Tie the decoder's weights to the embedding's (widths must agree)."""
    initial_range: Positive = 0.04
    """Cell weights are initialised uniformly in plus or minus this."""
    embedding_range: Positive = 0.1
    """Embedding weights are initialised uniformly in plus or minus this."""
    embedding_file: str | None = None
    """Text file of pre-trained vectors, one ``word v1 v2 ...`` per line; missing words are initialised at random."""

    @model_validator(mode="after")
    def _tied_widths(self) -> "LanguageNetwork":
        if self.tied and self.embedding != self.hidden:
            raise ValueError(
                f"tied embeddings need embedding == hidden, found {self.embedding} and {self.hidden}; "
                "make them equal or set tied: false"
            )
        return self


class BackpropagationThroughTime(Section):
    """How text is cut into sequences (Merity et al. 2018, section 4.1)."""

    length: Annotated[int, Field(ge=2)] = 35
    """Time steps of a sequence."""
    half_probability: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Probability of halving a sequence's base length."""
    deviation: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of a sequence's length around its base; 0: exactly the base length."""
    shortest: Annotated[int, Field(ge=1)] = 5
    """Minimum length of a sequence."""
    excess: Annotated[int, Field(ge=0)] = 20
    """Maximum length of a sequence beyond ``length``."""
    scale_last: bool = True
    """Whether the learning rate of the text's last sequence, which its end cuts short, is scaled by what is left of it;
    else (as released) by the length drawn for it."""


class Dropouts(Section):
    """Variational dropouts: one mask per sequence, shared by its time steps (Gal and Ghahramani 2016)."""

    output: Probability = 0.0
    """On the recurrent layer's output."""
    hidden: Probability = 0.0
    """On the state before every recurrent matrix."""
    input: Probability = 0.0
    """On the cell's input x."""
    embedding: Probability = 0.0
    """On the embedding's output."""
    words: Probability = 0.0
    """On embeddings of whole words."""


class LanguageEarlyStop(Section):
    """Early stopping of a candidate's training."""

    patience: Annotated[int, Field(ge=1)] = 4
    """Stop after this many epochs without a new best validation perplexity."""
    loss_ratio: Positive = 3.0
    """Stop when validation loss exceeds this many times the moving training loss."""
    moving_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of the moving training loss, per step; it is reset every epoch."""
    keeps_best_when_diverged: bool = False
    """Score a diverged candidate by its best earlier epoch (as released); otherwise it has no score."""


class LanguageProxyTraining(TaskProxyTraining):
    """Training recipe of a candidate."""

    epochs: Annotated[int, Field(ge=1)] = 4
    """Passes over the proxy's training lines, at most."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Sequences per step."""
    bptt: BackpropagationThroughTime = BackpropagationThroughTime()
    """Sequence lengths."""
    learning_rate: Positive = 20.0
    """SGD's learning rate, scaled by sequence length / bptt length."""
    clip_gradient_norm: Positive = 0.25
    """Maximum gradient norm."""
    decay_epochs_before_end: list[Annotated[int, Field(ge=1)]] = [1]
    """Epochs before the end at which the learning rate is divided."""
    decay_factor: Annotated[float, Field(gt=1)] = 10.0
    """Divisor of the learning rate."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """L2 penalty."""
    evaluation_batch_size: Annotated[int, Field(ge=1)] = 10
    """Validation batch size."""


class LanguageProxy(TaskProxy):
    """The proxy that candidates are evaluated on."""

    dataset: str = "sotu"
    """Data set, a name from ``datasets``."""
    train_lines: Annotated[int, Field(ge=1)] = 700
    """Lines from the start of the training split."""
    validation_lines: Annotated[int, Field(ge=1)] = 150
    """Lines from the start of the validation split."""
    test_lines: Annotated[int, Field(ge=0)] = 0
    """Lines of the test split that add their words to the vocabulary, as in the paper; never trained or scored on. 0:
    the search opens no test split."""
    network: LanguageNetwork = LanguageNetwork()
    """The small network around a candidate."""
    training: LanguageProxyTraining = LanguageProxyTraining()
    """Training recipe."""
    early_stop: LanguageEarlyStop = LanguageEarlyStop()
    """Early stopping."""


class LanguageTraining(TaskTraining):
    """Training recipe of the final model (Merity et al. 2018, as the paper's release uses it)."""

    dataset: str = "sotu"
    """Data set to train and test on, a name from ``datasets``."""
    network: LanguageNetwork = LanguageNetwork()
    """The network around the best cell."""
    epochs: Annotated[int, Field(ge=1)] = 2
    """Passes over the training text."""
    batch_size: Annotated[int, Field(ge=1)] = 20
    """Sequences per step."""
    bptt: BackpropagationThroughTime = BackpropagationThroughTime(deviation=5.0)
    """Sequence lengths."""
    learning_rate: Positive = 20.0
    """SGD's learning rate, scaled by sequence length / bptt length."""
    decay_epochs_before_end: list[Annotated[int, Field(ge=1)]] = [1]
    """Epochs before the end at which the learning rate is divided."""
    decay_factor: Annotated[float, Field(gt=1)] = 5.0
    """Divisor of the learning rate."""
    clip_gradient_norm: Positive = 0.25
    """Maximum gradient norm."""
    weight_decay: Annotated[float, Field(ge=0)] = 1.0e-6
    """L2 penalty."""
    dropouts: Dropouts = Dropouts()
    """Dropout probabilities."""
    activation_regularisation: Annotated[float, Field(ge=0)] = 0.0
    """AR's alpha: penalty on the dropped-out output's square."""
    temporal_activation_regularisation: Annotated[float, Field(ge=0)] = 0.0
    """TAR's beta: penalty on the square of the output's change over time."""
    average_after: Annotated[int, Field(ge=1)] | None = 5
    """Switch from SGD to averaged SGD when validation loss exceeds the best of all but this many latest epochs;
    null: never."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Stop early after this many epochs without a new best validation loss; null: never."""
    evaluation_batch_size: Annotated[int, Field(ge=1)] = 10
    """Validation batch size."""
    test_batch_size: Annotated[int, Field(ge=1)] = 1
    """Test batch size."""
    keep_checkpoints: Annotated[int, Field(ge=1)] = 2
    """Checkpoints kept besides the best."""
    checkpoint_steps: Annotated[int, Field(ge=0)] = 0
    """Steps between checkpoints inside an epoch; 0: only at each epoch's end."""

    @property
    def shared_batch(self) -> tuple[int, int]:
        """A step's sequences, each of which one process takes."""
        return self.batch_size, 1


class LanguageReferences(TaskReferences):
    """Which networks a found language model is compared with, and at what equal cost."""

    networks: list[str] = ["lstm", "gru", "random-0"]
    """Their names: ``lstm`` and ``gru``, torch's own; ``rhn``, a recurrent highway cell (tanh, as deep as the search's
    cells); ``shrinkrnn``, the released cell; ``complete`` and ``chain``, cells of the search's operators with all edges
    and with a single path; random-0, random-1, ..., cells of the same space; and a recurrent layer of your own as
    ``module:function``, called as ``function(width, inputs=...)`` and used as ``torch.nn.LSTM`` is. [] compares with
    none."""
    cost: Literal["macs", "parameters"] = "parameters"
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.02
