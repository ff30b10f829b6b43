"""Resumable uploads: what was acknowledged is kept, and any gateway can continue. No HTTP."""
