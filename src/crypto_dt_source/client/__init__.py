"""A client of the service: `Client` asks the REST API, `Stream` follows the live stream and goes on by itself after a
break. It needs nothing of the server but its address.

    async with Client("http://127.0.0.1:7860") as client:
        for row in (await client.prices("BTC", "ETH")).rows:
            print(row.symbol, row.price)
        async for frame in client.stream(prices=["BTC", "ETH"]):
            print(frame.channel, frame.symbol, frame.data)
"""

from .frames import Frame, Price, read_price
from .rest import ApiError, Client, Prices, Unreachable
from .stream import Ended, Stream, Wanted

__all__ = [
    "ApiError",
    "Client",
    "Ended",
    "Frame",
    "Price",
    "Prices",
    "Stream",
    "Unreachable",
    "Wanted",
    "read_price",
]
