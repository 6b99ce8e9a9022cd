"""Training pairs: what C2 and C3 learn from, and what keeps bad pairs out.

    steps ── taxonomy ──> classes ──────────────────────> C2 pairs: problem -> which operations
    steps ── claims, canonical, evaluate ──> expressions ──> C3 pairs: template + problem -> expression
    problems ── texts ──> groups of twins ── stratify ──> splits
    pairs ── reading, contamination ──> what a trainer may see

Pure: no store, no clock, and no sympy, though what `canonical` writes is what sympy reads.
"""
