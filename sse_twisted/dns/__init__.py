"""Host names: an asynchronous client, the system's settings, and the service that caches and watches.

It knows the configuration. Begin with `service.py`.
"""
