"""`cdk deploy` starts here: docs/deploy.md says what it makes and which settings it takes."""

import sys

from infra.application import build_app
from mycelium.errors import UserInputError

try:
    build_app().synth()
except UserInputError as error:
    sys.stderr.write(f"error: {error}\n")
    sys.exit(2)
