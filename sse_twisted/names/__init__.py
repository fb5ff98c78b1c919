"""Looking up host names: what the system says of them, a client that asks name servers, and the service in between."""
