"""Collect the day's GPS tracks from the WiFi loggers of a speed-sailing event.

The rooms, from the top down; each imports only from rooms below it:

    daemon/         what twistd runs: command lines, assembly, demo, --check
    console/ web/   the Manhole console; the board, its pages and the API
    control/        what an operator may see and do
    copies/         the event folder on other disks, for another computer to go on with
    history/        logs, visits, the saved state, what a restart makes of them
    visits/         one stay of a device: detection, inspection, downloads, verdict, cleanup
    results/        what the tracks tell of a day
    handin/         tracks of other devices: taken in, matched with a sailor and a day, filed
    event_folder/   names, ledger, partial tracks, verification, moves
    fleet.py dns/   what is known of every device, as frozen snapshots; host names
    config/         settings, roster, and the versions of both that apply now
    simulator/      devices on loopback, for the demo and the tests
    devices/        requests to devices, and a driver for each kind
    tracks/         formats, speeds, claims, exports
    runtime/        plumbing for Twisted and the system
    manual/         the manual that the board serves at /help

The path of a track begins in `visits/scanner.py`.
"""

__version__ = "0.1.0"
