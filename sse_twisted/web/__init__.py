"""The bench board, the JSON API and the metrics: snapshots to look at, and the commands that the console has too."""
