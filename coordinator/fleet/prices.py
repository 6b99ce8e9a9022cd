"""What GPU machines cost: list prices of EC2, Linux, in US dollars per hour, by region, with their date.

They are for a plan on a laptop without credentials. Prices change, and those of AWS's own pages hold: `--price` says
another. Spot prices move by the hour: EC2 is asked for the present one where there is a deployment, and where nobody
can be asked a plan takes `SPOT_SHARE` of the list price, which is the dear end of what was seen.
"""

from coordinator.cost.prices import DEFAULT_REGION
from mycelium.errors import UserInputError

PRICES_DATE = "2026-06"

ON_DEMAND: dict[str, dict[str, float]] = {
    DEFAULT_REGION: {
        "g4dn.xlarge": 0.526,
        "g5.xlarge": 1.006,
        "g5.2xlarge": 1.212,
        "g6.xlarge": 0.8048,
        "g6.2xlarge": 0.9776,
        "g6e.xlarge": 1.861,
    },
}
ON_DEMAND["us-west-2"] = ON_DEMAND[DEFAULT_REGION]

SPOT_SHARE = 0.6
"""Of the list price; single-GPU machines of us-east-1 were at 30 to 60 % of it in the first half of 2026."""


def find_prices(
    instance_type: str, region: str, given: float | None = None, spot: float | None = None
) -> dict[str, float]:
    """Return what a machine costs per hour, ``on-demand`` and ``spot``.

    Args:
        instance_type: EC2's name of the type.
        region: where.
        given: the on-demand price, if the user knows a better one.
        spot: the present spot price, if EC2 was asked.

    Raises:
        UserInputError: no price is known.
    """
    on_demand = given if given is not None else ON_DEMAND.get(region, {}).get(instance_type)
    if on_demand is None:
        known = ON_DEMAND.get(region)
        hint = f"known there: {', '.join(known)}" if known else f"prices are known of {', '.join(ON_DEMAND)}"
        raise UserInputError(
            f"no price of {instance_type} in {region} is known here ({hint}): give --price DOLLARS an hour"
        )
    return {"on-demand": on_demand, "spot": spot if spot is not None else round(on_demand * SPOT_SHARE, 4)}
