"""The templates of a deployment, as a test reads them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.application import GPU_STAGE, build_app
from infra.packaging import ROOT

NO_BUNDLING: dict[str, object] = {"aws:cdk:bundling-stacks": []}


@dataclass(frozen=True)
class Cloud:
    """The templates of one deployment: of the main stack, and of the GPU stack."""

    main: dict[str, Any]
    gpu: dict[str, Any]

    def main_resources(self, kind: str) -> list[dict[str, Any]]:
        """Return the main stack's resources of one type."""
        return [found for found in self.main["Resources"].values() if found["Type"] == kind]

    def gpu_resources(self, kind: str) -> list[dict[str, Any]]:
        """Return the GPU stack's resources of one type."""
        return [found for found in self.gpu["Resources"].values() if found["Type"] == kind]

    def main_properties(self, kind: str) -> list[dict[str, Any]]:
        """Return what the main stack's resources of one type are."""
        return [found["Properties"] for found in self.main_resources(kind)]


def read_context() -> dict[str, object]:
    """Return what cdk.json says, which a test must build with, too."""
    context: dict[str, object] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return context | NO_BUNDLING


def synthesize(outdir: Path, context: Mapping[str, object] | None = None) -> Cloud:
    """Synthesize the app, as `cdk synth` would; raises where cdk-nag finds something."""
    assembly = build_app(read_context() | dict(context or {}), str(outdir)).synth()
    (main,) = assembly.stacks
    (gpu,) = assembly.get_nested_assembly(f"assembly-{GPU_STAGE}").stacks
    return Cloud(*(json.loads((Path(stack.template_full_path)).read_text()) for stack in (main, gpu)))
