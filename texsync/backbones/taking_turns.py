"""Networks that take turns on a small GPU: one group of them is there, the others wait in the machine's memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


class Turns:
    """Who is on the device.  A group stays until another one is called, so that a loop moves nothing."""

    def __init__(self, device: torch.device):
        self.device = device
        self._there: Sequence[Any] = ()

    def take(self, group: Sequence[Any]) -> None:
        """Bring a group's networks to the device, and send the others back first."""
        if group is self._there:
            return
        for network in self._there:
            network.to("cpu")
        self._there = group
        for network in group:
            network.to(self.device)

    def wrapped(self, **networks: Any) -> dict[str, Any]:
        """One group: the same networks by the same names, each of which brings all of them when it is called."""
        group = [network for network in networks.values() if network is not None]
        return {
            name: None if network is None else Visiting(network, group, self)
            for name, network in networks.items()
        }


class Visiting:
    """A network that comes to its device when it is called, or its `encode` or `decode` are; else it is as it was."""

    CALLS = ("encode", "decode", "encode_image")

    def __init__(self, network: Any, group: Sequence[Any], turns: Turns):
        self.network, self._group, self._turns = network, group, turns

    @property
    def device(self) -> torch.device:
        """Where it computes, wherever it waits."""
        return self._turns.device

    def arrive(self) -> None:
        self._turns.take(self._group)

    def __call__(self, *given: Any, **named: Any) -> Any:
        self._turns.take(self._group)
        return self.network(*given, **named)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.network, name)
        if name not in self.CALLS:
            return found

        def called(*given: Any, **named: Any) -> Any:
            self._turns.take(self._group)
            return found(*given, **named)

        return called


def arrive(network: Any) -> None:
    """Bring a network that takes turns to its device, so that what is free there can be measured."""
    if isinstance(network, Visiting):
        network.arrive()
