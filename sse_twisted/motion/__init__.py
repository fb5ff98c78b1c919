"""The device's language: requests with limits and time-outs, and typed answers. No services, no disk."""
