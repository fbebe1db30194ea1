"""Run jobs on rented GPU pods, from Python.

    import rpd

    job = rpd.load("train.yaml", variables={"epochs": "3"})
    ending = rpd.start(job, listener=lambda event: print(event.text))
    print(ending.exit_code, ending.run.outcome, ending.run.cost_usd)

This module is the whole public interface. The names in `__all__` are kept stable; no other part of `rpd` is. Its
functions do the same as the commands of the same names, with the same checks, locks and journal. Times are UTC,
durations are in seconds, money is in USD. docs/python.md describes the interface in full. A name loads its part of rpd
at its first use. Importing the module loads none of them.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rpd.adapters.api.driving import Ending, cancel, resume, start
    from rpd.adapters.api.events import Event, Recorded, Said, Waiting
    from rpd.adapters.api.jobs import Job, Problem, load, validate
    from rpd.adapters.api.runs import Artifact, Debt, Run, runs
    from rpd.adapters.spec.error import SpecError
    from rpd.engine.errors import RpdError, UserError
    from rpd.journal.errors import (
        JournalDamaged,
        JournalError,
        JournalLocked,
        JournalMissing,
        JournalNotOurs,
        JournalTooNew,
        JournalUnwritable,
    )
    from rpd.states.ports.exits import Exit

    __version__: str

__all__ = [
    "Artifact",
    "Debt",
    "Ending",
    "Event",
    "Exit",
    "Job",
    "JournalDamaged",
    "JournalError",
    "JournalLocked",
    "JournalMissing",
    "JournalNotOurs",
    "JournalTooNew",
    "JournalUnwritable",
    "Problem",
    "Recorded",
    "RpdError",
    "Run",
    "Said",
    "SpecError",
    "UserError",
    "Waiting",
    "__version__",
    "cancel",
    "load",
    "resume",
    "runs",
    "start",
    "validate",
]

_PLACES = {
    "rpd.adapters.api.driving": ("Ending", "cancel", "resume", "start"),
    "rpd.adapters.api.events": ("Event", "Recorded", "Said", "Waiting"),
    "rpd.adapters.api.jobs": ("Job", "Problem", "load", "validate"),
    "rpd.adapters.api.runs": ("Artifact", "Debt", "Run", "runs"),
    "rpd.adapters.spec.error": ("SpecError",),
    "rpd.engine.errors": ("RpdError", "UserError"),
    "rpd.journal.errors": (
        "JournalDamaged",
        "JournalError",
        "JournalLocked",
        "JournalMissing",
        "JournalNotOurs",
        "JournalTooNew",
        "JournalUnwritable",
    ),
    "rpd.states.ports.exits": ("Exit",),
}

if not TYPE_CHECKING:  # a type checker knows the names above, and reports any other name

    def __getattr__(name):
        if name == "__version__":
            from rpd.adapters.local.version import version

            found = version()
        else:
            from importlib import import_module

            place = next((module for module, names in _PLACES.items() if name in names), None)
            if place is None:
                raise AttributeError(f"module 'rpd' has no attribute {name!r}")
            found = getattr(import_module(place), name)
        globals()[name] = found
        return found

    def __dir__():
        return sorted(__all__)


del TYPE_CHECKING
