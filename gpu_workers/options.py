"""What several commands of the GPU machine have: options, and how much they name."""

import click

N_NAMED = 20
"""Rows and problems that are named one by one; of more, the number is said."""

device_option = click.option("--device", help="cpu, cuda, cuda:1 … Default: the GPU if there is one.")
dtype_option = click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), help="Default: float32 on the CPU, else bfloat16."
)
quiet_option = click.option("--quiet", is_flag=True, help="No progress.")
spool_option = click.option(
    "--spool", metavar="DIR", help="Write through this folder, which `upload` empties into the store."
)
