"""Every knob, its default and its reason; and how they are read."""

from gateway.settings.load import SettingsError, load_settings
from gateway.settings.sections import (
    BucketSection,
    KeySection,
    LocalStorage,
    MemoryStorage,
    S3Storage,
    ServerSection,
    Settings,
    SlotSection,
    StorageSection,
)

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
