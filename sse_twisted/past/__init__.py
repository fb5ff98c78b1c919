"""What was: visits and what was said of each device, noted down, and read back at the next start."""
