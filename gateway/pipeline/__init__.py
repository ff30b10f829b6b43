"""How bytes move: slabs, sources, transforms, parts, sinks. asyncio, but no HTTP and no S3."""
