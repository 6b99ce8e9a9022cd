"""Runs LocalStack's Lambda functions as plain child processes: no Docker, no downloaded binary.

Two halves that meet only through a process boundary:

- `localstack_process_executor.launcher` needs nothing but the standard library: it makes LocalStack's own
  environment, starts LocalStack and stops it. Tests import it, from whatever Python they run on.
- everything else is loaded by LocalStack, in LocalStack's environment, through the entry points of this
  package.
"""
