"""What tracks tell of the sailing: figures of each track, a day's reconciliation, rankings, short tracks."""
