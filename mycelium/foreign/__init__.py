"""Files from anywhere: `rows` reads them, `fields` says which field is the problem, the chain, the level."""
