"""The only door out: limits, breakers, failover and hedging between the service and every upstream."""

from .gateway import Gateway, GatewayPolicy
from .transport import HttpTransport, Transport

__all__ = ["Gateway", "GatewayPolicy", "HttpTransport", "Transport"]
