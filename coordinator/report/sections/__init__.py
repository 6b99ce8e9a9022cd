"""The sections of a report, one file for each group of stages; each says nothing where its stages have not run."""
