"""The bugs that the simulation found in the shipped engine, each with the shortest schedule that showed it. The table
in docs/reliability.md is made from this list; `mutant` is the patch that brings the bug back."""

from __future__ import annotations

import msgspec

from tests.simulation.schedule import Schedule


class Regression(msgspec.Struct, frozen=True):
    """`symptom` is what went wrong for the person, `fix` what the engine does since; `schedule` is JSON."""

    name: str
    symptom: str
    fix: str
    schedule: str
    mutant: str

    def decoded(self) -> Schedule:
        """The schedule, ready to run."""
        return msgspec.json.decode(self.schedule, type=Schedule)


REGRESSIONS = (
    Regression(
        "a list without environments",
        "A list that left the environment of pods out made another run's pod of the same name ours: it was told to go, "
        "again and again, and the run never ended.",
        "A pod with our name and no environment is asked itself before it counts.",
        '{"life":"create lost","strikes":[{"fault":"list leaves env out","state":"connect"}]}',
        "env-left-out-believed",
    ),
    Regression(
        "a pod that is listed and cannot be read",
        "The same list, and a 404 when the pod itself was asked: again another's pod counted as ours.",
        "Such a list proves nothing; it is read again.",
        '{"life":"success","strikes":[{"fault":"list leaves env out","state":"boot"},'
        '{"fault":"get answers 404","state":"boot","nth":1},{"fault":"get answers 404","state":"boot","nth":2}]}',
        "listed-and-not-readable",
    ),
    Regression(
        "a failed sync, and a new process",
        "A sync failed and the process died; the next one read the lost record out of the page cache, synced "
        "successfully, and acted on a record that no disk held.",
        "Whoever opens a journal copies it into a new file before the first append.",
        '{"life":"success","strikes":[{"fault":"a sync fails","state":"connect","nth":1},'
        '{"fault":"kill at record:write","state":"connect","nth":2}],"seed":4}',
        "page-cache-believed",
    ),
    Regression(
        "a failed sync on a full disk",
        "The same where the disk has no room for that copy.",
        "A process that cannot keep a record cuts what it failed to sync off its file.",
        '{"life":"TERM with a slow link","strikes":[{"fault":"the disk is full","state":"validate","amount":45.0},'
        '{"fault":"a sync fails","state":"reclaim"}],"seed":827}',
        "unsynced-left-behind",
    ),
    Regression(
        "a parked pod that somebody starts",
        "A pod stopped with results in it was started in the console: the run took it for stopped, waited without end, "
        "and the pod billed.",
        "A look that sees it run opens a debt and forgets that it was released.",
        '{"life":"a parked pod is started by others"}',
        "started-by-others-not-seen",
    ),
    Regression(
        "results that go with their pod",
        "The pod was deleted in the console after the job had succeeded and before `gc` came by: closed as a success, "
        "without its results.",
        "A success needs its results here; else the run ends lost, `pod_vanished`.",
        '{"life":"results go with the pod"}',
        "gone-after-the-end-is-success",
    ),
    Regression(
        "a stale copy starts the pod",
        "A journal copied to another machine was resumed there; the first machine woke, started the pod that the other "
        "had stopped, saw the other's fencing token, and left it billing.",
        "An owner that stands back stops a pod that computes only because it started it.",
        '{"life":"setup fails","strikes":[{"fault":"a copied journal elsewhere","state":"boot","amount":80.0}],'
        '"seed":59}',
        "started-and-left",
    ),
    Regression(
        "a claim read before the other owner came",
        "An owner read that nothing was launched yet; before its own launch arrived another owner launched the job. It "
        "still believed what it had read, and deleted the pod with the other's results.",
        "What was read in a pod before another owner acted there does not hold any more.",
        '{"life":"pod stopped in launch","strikes":[{"fault":"a copied journal elsewhere","state":"launch","nth":2,'
        '"amount":5.0}],"seed":1866}',
        "claim-of-before-believed",
    ),
    Regression(
        "a pod that the other owner has stopped",
        "A journal copied to another machine was resumed there, which ran the job and stopped the pod with its "
        "results; back on the first machine, the host had no room to start the pod again, and it was deleted.",
        "A pod that rpd has worked in, and that others have stopped, stays stopped.",
        '{"life":"lost twice","strikes":[{"fault":"start does nothing, its answer is lost","state":"boot",'
        '"amount":0.0},{"fault":"a copied journal elsewhere","state":"setup","nth":1,"amount":80.0}],"seed":83018}',
        "stopped-by-others-deleted",
    ),
    Regression(
        "a pod rented by the other owner",
        "A journal copied to another machine was resumed there and rented another pod; back on the first machine, the "
        "look over the account found it by its name, and deleted it with the results in it.",
        "Only pods whose create stands in this journal are given back. Others show that the run was taken over: it "
        "ends here, and its own pod is stopped, never deleted.",
        '{"life":"pod stopped in arm","strikes":[{"fault":"a copied journal elsewhere","state":"stage","amount":20.0},'
        '{"fault":"the pod is stopped by others","state":"stage"}],"seed":2833}',
        "strangers-deleted",
    ),
    Regression(
        "sleep between intent and request",
        "The laptop slept for an hour between writing down that a pod would be made and asking for it. No answer came, "
        "one look found no pod, and the quiet window was long over, counted from the intent: the debt was closed, and "
        "the pod that showed up later billed unnoticed.",
        "The window counts from the last moment at which the request may have left.",
        '{"life":"create late","strikes":[{"fault":"the laptop sleeps","state":"create","amount":3600.0},'
        '{"fault":"power cut at record:done","state":"collect"}],"seed":14019}',
        "sleep-within-the-call",
    ),
    Regression(
        "detached in an emergency",
        "The journal could not be written, so the pod was to be given back; a detach asked for at the same moment "
        "overruled that, and the run went on without a journal.",
        "Nothing that is asked for overrules it.",
        '{"life":"success","strikes":[{"fault":"rpd run --detach","state":"setup"},'
        '{"fault":"the disk is full","state":"arm","nth":1,"amount":5.0}],"seed":552}',
        "detached-in-an-emergency",
    ),
    Regression(
        "a 404 to a stop",
        "A pod with results in it was to be stopped, and the answer was 404 although it lived: that counted as "
        "deleted, the next look found a pod that should be gone, and it was deleted with the results.",
        "Such an answer proves nothing and decides nothing: surveys tell, and the pod is asked to stop again.",
        '{"life":"success","strikes":[{"fault":"stop answers 404 for a pod that lives","state":"release"},'
        '{"fault":"the link is down","state":"collect","amount":900.0}]}',
        "no-pod-to-stop-is-deleted",
    ),
    Regression(
        "a wall clock that was wrong",
        "The journal was written under a wall clock a year ahead, and went on elsewhere under a right one: every wait "
        "since then lay in the future, a stopped pod was not started, and no deadline ran out.",
        "What is recorded already cannot lie ahead: whoever goes on carries its moments over to the clocks at hand.",
        '{"life":"pod stopped, started again","strikes":[{"fault":"the wall clock is set","state":"create",'
        '"amount":31000000.0},{"fault":"a copied journal elsewhere","state":"collect","amount":1.0}],"seed":94368}',
        "moments-not-carried-over",
    ),
    Regression(
        "detached, with another pod up",
        "A run was left alone with exit 75, nothing burns, because the pod in hand had its switch; beside it computed "
        "a paused pod of the same run that others had started, and that no switch looks after.",
        "Only where the pod in hand is the one debt does leaving count as safe; else the exit code is 8.",
        '{"life":"a paused pod is refused its start, and started by others","strikes":['
        '{"fault":"power cut at effect:done","state":"create"},{"fault":"rpd run --detach","state":"launch"}],'
        '"seed":21614}',
        "detached-beside-a-bare-pod",
    ),
    Regression(
        "a launch that was claimed only",
        "The process died between the claim and the start of the script; gc read the claim as a job that runs, and "
        "spared a pod in which nothing ran until its switch stopped it.",
        "A claim whose script does not start within 20 s spares no pod: it is stopped, and `resume` goes on from it.",
        '{"life":"success","strikes":[{"fault":"the launch is claimed only","state":"launch"},'
        '{"fault":"kill at effect:done","state":"launch"}],"end":"gc"}',
        "claimed-counts-as-running",
    ),
    Regression(
        "a job in a container without its setup",
        "The pod was stopped between the intent to launch and the launch; started again it had an empty disk, and the "
        "job ran without what setup had installed. The same after its container was restarted.",
        "A script that never ran goes back to setup in a new container; what was done is known by its container.",
        '{"life":"pod stopped in launch","strikes":[]}',
        "launched-unprepared",
    ),
    Regression(
        "secrets in a pod that its switch stopped",
        "All results were here, the switch had stopped the pod meanwhile, and `cancel` left it stopped with files of "
        "secrets on its disk: they are removed from a pod that runs alone.",
        "A pod that cannot be reached to remove them, and holds nothing else that is waited for, is deleted.",
        '{"life":"secrets on the disk","strikes":[{"fault":"a second Ctrl-C","state":"collect","nth":1,"amount":0.0}],'
        '"acts":["away","cancel"],"seed":52383}',
        "stopped-with-a-secret",
    ),
    Regression(
        "what a lost launch had left was deleted",
        "A job was lost and to be launched again in its pod, whose switch stopped it before that; the host counted as "
        "one that never booted, and the pod went with whatever the lost launch had left on its volume.",
        "A pod in which a launch was lost is started again like one with results, and kept stopped where that fails.",
        '{"life":"launched again in its pod","strikes":[{"fault":"the laptop sleeps","state":"preflight","nth":1,'
        '"amount":3600.0}],"seed":1846}',
        "lost-launch-left-nothing",
    ),
    Regression(
        "a checkpoint whose arrival nobody wrote down",
        "The process died between the arrival of a checkpoint and its record, the pod vanished before the next one, "
        "and the job began from nothing although its checkpoint was here.",
        "Whatever is here of a checkpoint is pushed back, whether a record tells of it or not.",
        '{"life":"launched again in a fresh pod","strikes":[{"fault":"kill at effect:done","state":"monitor"}],'
        '"seed":1055}',
        "checkpoint-counts-by-its-outcome",
    ),
    Regression(
        "a job that ended during an outage was idle",
        "This machine was offline for eight minutes, the job ended well meanwhile, and the GPUs that had nothing to do "
        "any more made the run fail as idle.",
        "GPUs are idle only while the last look at the job says that it runs.",
        '{"life":"GPUs that are not idle for long","strikes":[{"fault":"this machine is offline","state":"monitor",'
        '"amount":480.0}],"seed":22574}',
        "idle-after-its-end",
    ),
    Regression(
        "checkpoints that only the emergency log knew",
        "The disk was full while the checkpoints came, the pod was deleted, and the next launch began from nothing "
        "although they were here: the journal did not tell that they had been asked for.",
        "Whatever is here of a checkpoint is pushed back, whether a record tells of it or not.",
        '{"life":"vanished before the launch, launched again","strikes":[{"fault":"the disk is full","state":"monitor",'
        '"nth":1,"amount":240.0}],"seed":361}',
        "checkpoint-counts-by-its-outcome",
    ),
)
