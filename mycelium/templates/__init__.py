"""Templates over chunks: what the stage `templates` asks its chunks, finds, writes and tells.

    params      what can be set
    chunks      one chunk's tables, checked: steps, their Y, their X, and which problem each is of
    answers     what a chunk answers to the rounds of the fit, and how answers add
    find        the rounds: survey, sample, rows or sums; and the artifact
    fitted      the artifact: the estimators of p(y|x), the centroids, and what the fit concluded
    portrait    what the templates look like: sizes, histograms, names, nearest examples

The Information Bottleneck itself is `mycelium.bottleneck`; nothing here decides what a template is.
"""
