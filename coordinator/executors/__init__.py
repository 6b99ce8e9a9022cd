"""Where tasks run: one file for each place, all of them `mycelium.run.Executor`."""
