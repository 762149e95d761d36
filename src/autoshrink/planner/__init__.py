"""Planning the training of one network on many, perhaps unequal, accelerators (Song et al., AccPar, HPCA 2020).

A plan says for every layer, at every split of the array into two sides, which dimension of its tensors is divided and
in what share. Floors, lowest first: ``layers`` and ``array`` (what is planned, and for what), ``tables`` (what a choice
costs), ``frontier`` (the cheapest choices), ``planning`` (level by level), ``timing`` and ``simulation`` (what the plan
comes to), ``artifact``. ``readers`` alone know torch and ONNX.
"""
