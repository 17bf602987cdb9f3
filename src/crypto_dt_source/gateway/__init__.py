"""The only door out: limits, breakers, failover and hedging between the service and every upstream."""

from .gateway import Gateway, GatewayPolicy
from .guarded import Guarded
from .outbound import Outbound
from .reach import Reach
from .redirects import Following
from .transport import HttpTransport, Transport

__all__ = [
    "Following",
    "Gateway",
    "GatewayPolicy",
    "Guarded",
    "HttpTransport",
    "Outbound",
    "Reach",
    "Transport",
]
