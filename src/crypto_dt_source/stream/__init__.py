"""From one publish to many clients: `Bus` takes events, `Hub` gives each client its frames in order, resumable, and never
lets a slow client delay another."""

from .bus import Bus, Event
from .channels import CHANNELS, Channel
from .client import Client, Frame
from .hub import Hub, HubLimits

__all__ = ["CHANNELS", "Bus", "Channel", "Client", "Event", "Frame", "Hub", "HubLimits"]
