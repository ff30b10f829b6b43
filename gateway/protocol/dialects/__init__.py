"""The codecs: one file a protocol, none imports another."""
