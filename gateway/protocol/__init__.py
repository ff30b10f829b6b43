"""Pure protocol code: bytes and heads in, values out. No asyncio, no clock, no logging."""
