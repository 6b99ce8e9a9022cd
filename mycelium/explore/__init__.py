"""What a person asks of a store: its runs, a signal, the beats in it, a trace drawn. For notebooks and for the report.

`import mycelium` offers these by name. Nothing that runs on Lambda imports them.
"""
