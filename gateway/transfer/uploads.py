"""Uploads: a body becomes an object, or nothing at all.

The order is the same for all: refuse what would be refused anyway before a byte is read; move the
body; verify everything that was claimed of it; only then commit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.adapt.part_size import plan
from gateway.errors import GatewayError, TooLarge
from gateway.model import Digest, Source, Stored, WriteCondition
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.pump import pump
from gateway.pipeline.sink import PartSink
from gateway.pipeline.slabs import SlabPool
from gateway.pipeline.transforms import Chain
from gateway.protocol.commands import ObjectStored, Preconditions, PutObject
from gateway.sessions.base import SessionStore
from gateway.settings.sections import TransferSection
from gateway.telemetry import Instrument
from gateway.transfer.exclusive import ConditionalWrites, WriteRule
from gateway.transfer.placement import Placement, Placements
from gateway.transfer.resuming import Call
