"""Generation: `python -m gpu_workers generate` writes chains of thought for problems that have none, file to file.

- `generate`: problems in, chains out; what is done, what is missing.
- `with_transformers`, `with_vllm`: who generates them, each an engine of `chains`.
- `chains`: where a chain ends, and why.
- `journal`: finished lines, kept through whatever kills the writer.
"""
