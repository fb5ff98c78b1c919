"""Collect the day's GPS tracks from the WiFi loggers of a speed-sailing event.

The rooms, from the top down; each imports only from rooms below it:

    daemon/         what twistd runs: command lines, assembly, demo, --check
    console/ web/   the Manhole console; the board, its pages and the API
    manual/         chapters for operators, served at /help
    control/        what an operator may see and do
    history/        logs, visits, the state file, what a restart makes of them
    visits/         one stay of a device: detection, inspection, downloads, verdict, cleanup
    results/        what the tracks tell of a day
    event_folder/   names, ledger, partial tracks, verification, moves
    fleet.py        what is known of every device, as frozen snapshots
    dns/            host names
    config/         settings, roster, what is in force now
    devices/        requests to devices, and what is special to each kind
    simulator/      devices on loopback, for the demo and the tests
    tracks/         formats, speeds, claims, exports
    runtime/        Twisted and system plumbing

The path of a track begins in `visits/scanner.py`.
"""

__version__ = "0.1.0"
