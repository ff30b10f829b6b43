"""Pure controllers: measurements in, decisions out. Time only inside samples."""
