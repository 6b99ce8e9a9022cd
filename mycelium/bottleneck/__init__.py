"""The Information Bottleneck: group steps X by what they say about their labels Y.

    embeddings, labels, problems ── targets, posterior ──> p(y|x), one row a step, and an estimator for new steps
    p(y|x) ── rows, hierarchy ──> templates T: 1, 2, … k of them, and the tree of their splits
    hierarchy ── elbow, agreement ──> gains, the choice of k, how stable it is; ── polish ──> one level, bettered
    estimator, templates ── artifact ──> bytes; new steps to templates
    p(x), p(y|x) ── soft ──> the exact trade-off min I(X;T) − β I(T;Y), and the critical β where clusters break up

The few functions that others call:

- `targets.encode_labels(labels)` makes Y of lists of labels: names, and a row of weights for each step.
- `posterior.fit_posterior(features, targets, groups)` estimates p(y|x) out of fold, grouped by problem; it gives the
  rows, an estimator for new steps, and how good both are. Y is required: X alone has no bottleneck.
- `hierarchy.grow(passes, k_max)` finds the templates for every number from 1 to `k_max`. `passes` is
  `rows.in_memory(rows)`, or `rows.over_chunks(ask)` where the rows lie elsewhere: each pass hands out a
  `rows.Question`, gets `rows.accumulate(rows, question)` of each chunk, and adds them. Same bytes either way.
- `rows.assign(rows, centroids)` gives each row its template.
- `elbow.tabulate_gains`, `elbow.choose_k` say how many templates there are.
- `artifact.Artifact` holds an estimator and templates; `to_bytes`, `from_bytes`, `apply(features)`.
- `agreement.adjusted_mutual_information(a, b)` compares two assignments.

Y is a required argument everywhere. Information is in bits everywhere; β has no unit.
"""
