"""The cloud as code: one stack that composes, and a construct per capability.

`infra` reads the stages from `lambdas` and the names from `mycelium`, and nothing else of the project.
"""
