"""How well the default ranks and judges labelled data, beside its peers: ``python -m benchmarks.accuracy``.

Score then learn, one pass, no labels; the first rows of each file are learned and not scored. Figures are
ROC AUC and average precision of single rows, never point-adjusted, and NAB's own score on NAB's files.
Without ``--data`` it runs on what scikit-learn and river bring along and on the project's own server.
"""
