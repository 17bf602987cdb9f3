"""The channels of the stream, and what a frame of each means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Channel:
    """`by_symbol`: each symbol has a sequence of its own. `whole`: a frame is the whole state, so that a client that is
    behind needs only the newest one; of other channels every frame counts. `admin`: only for keys with that scope."""

    name: str
    about: str
    by_symbol: bool = False
    whole: bool = True
    admin: bool = False


CHANNELS = {
    channel.name: channel
    for channel in (
        Channel(
            "prices", "Consensus price of an asset, when it moves, at most every 250 ms.", by_symbol=True
        ),
        Channel("trades", "Executions on the venues whose streams are read.", by_symbol=True, whole=False),
        Channel("candles", "The 1-minute candle that is being built, and each that closed.", by_symbol=True),
        Channel("market", "The market as a whole, and the prices of the largest assets."),
        Channel("news", "Stories as they are found.", whole=False),
        Channel("sentiment", "The market's sentiment and the fear and greed index."),
        Channel("defi", "The largest protocols by TVL."),
        Channel("health", "The service's components."),
        Channel("pools", "Members of pools that came, left or took over.", whole=False),
        Channel("jobs", "Runs of jobs, as they end.", whole=False),
        Channel("system", "Notices of the operator, and what the service says of itself.", whole=False),
    )
}
ALL = "all"
"""Every channel at once."""
DEFAULT = "market"
"""What a client gets that only listens."""
