"""The only door out: limits, breakers, failover and hedging between the service and every upstream."""

from .gateway import Gateway, GatewayPolicy
from .redirects import Following
from .transport import HttpTransport, Transport

__all__ = ["Following", "Gateway", "GatewayPolicy", "HttpTransport", "Transport"]
