"""What is right in a configuration and still not what its author may think."""

from gateway.settings.tree import Settings


def notices(settings: Settings) -> list[str]:
    """Settings that have no effect, or too little, a line each."""
    default = settings.buckets_default
    if default is None and not settings.buckets:
        return ["No bucket is configured: add [buckets.NAME] or [buckets_default]"]
    if default is None or not default.create:
        return []
    return [
        "buckets_default.create has no effect yet: CreateBucket is answered 501;"
        " make buckets in the store itself"
    ]
