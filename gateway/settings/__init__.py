"""Every knob, its default and its reason; and how they are read."""

from gateway.settings.load import SettingsError, load_settings
from gateway.settings.sections import KeySection, ServerSection, SlotSection
from gateway.settings.stores import (
    BucketSection,
    LocalStorage,
    MemoryStorage,
    S3Storage,
    StorageSection,
)
from gateway.settings.tree import Settings

__all__ = [
    "BucketSection",
    "KeySection",
    "LocalStorage",
    "MemoryStorage",
    "S3Storage",
    "ServerSection",
    "Settings",
    "SettingsError",
    "SlotSection",
    "StorageSection",
    "load_settings",
]
