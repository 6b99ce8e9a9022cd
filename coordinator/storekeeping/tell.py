"""What the commands that keep a store in order print."""

from collections.abc import Sequence

import click

from coordinator.options import name_store
from coordinator.printing import MAX_NAMED, format_table, name_some, say_json
from coordinator.storekeeping.carry import Carried
from coordinator.storekeeping.garbage import Litter
from coordinator.storekeeping.verify import Damage
from mycelium.hint import say_command
from mycelium.manifest import Manifest
from mycelium.progress import format_seconds
from mycelium.schema import Row
from mycelium.store import Store


def tell_litter(found: Sequence[Litter], *, deleted: bool, as_json: bool) -> None:
    """List what no manifest refers to."""
    if as_json:
        rows = [
            {"place": one.place, "reason": one.reason, "objects": len(one.keys), "bytes": one.size} for one in found
        ]
        say_json({"deleted": deleted, "litter": rows})
        return
    if not found:
        click.echo("nothing to clear away")
        return
    shown: list[Row] = [
        {
            "place": one.place,
            "objects": len(one.keys),
            "MB": one.size / 1e6,
            "written": f"{format_seconds(one.age_s)} ago",
            "why": one.reason,
        }
        for one in found
    ]
    click.echo(format_table(shown[:MAX_NAMED]))
    if len(shown) > MAX_NAMED:
        click.echo(f"… and {len(shown) - MAX_NAMED} others")
    total = sum(len(one.keys) for one in found)
    click.echo(
        f"{'deleted' if deleted else 'may go'}: {total:,} objects, {sum(one.size for one in found) / 1e6:,.1f} MB"
    )
    if not deleted:
        click.echo("with --yes they are deleted")


def tell_damages(
    manifest: Manifest, n_objects: int, damages: Sequence[Damage], n_dropped: int, *, store: Store, as_json: bool
) -> None:
    """Say which objects of a run are not what its manifest says."""
    if as_json:
        say_json({"run": manifest.run_id, "objects": n_objects, "damaged": damages, "dropped": n_dropped})
        return
    click.echo(f"{manifest.stage} {manifest.run_id}: {n_objects} objects read, {len(damages)} damaged")
    name_some([f"damaged: {damage.key}: {damage.what}" for damage in damages], "damaged objects")
    if n_dropped:
        retry = say_command(f"coordinator retry {manifest.run_id}{name_store(store.uri)}")
        click.echo(f"{n_dropped} objects deleted; `{retry}` makes them anew")
    elif damages:
        click.echo("with --drop they are deleted, so that `retry` makes them anew", err=True)


def tell_carried(target: Store, carried: Carried, *, as_json: bool) -> None:
    """Say what was copied."""
    if as_json:
        say_json(carried)
        return
    click.echo(
        f"in {target.uri}: {', '.join(carried.runs)}\n{carried.n_copied} objects copied, {carried.size / 1e6:,.1f} MB; "
        f"{carried.n_found} were there"
    )
