"""The configuration of the tests' Buildbot, which its master reads; the tests import nothing of it.

Sources: https://docs.buildbot.net/latest/manual/configuration/index.html
"""

import os

from buildbot.plugins import schedulers, steps, util, worker
from buildbot_worker.base import BotBase

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.environ["DECK_REPOSITORY"]
GO = os.path.join(HERE, "go")
"""A file that lets the training go on to its end."""
TRAIN = f"""
echo "train on $1, $2 rows"
n=0
while [ ! -e {GO}-$3 ]; do n=$((n+1)); echo "epoch $n loss 0.$n"; sleep 0.1; done
echo trained
"""




def _quick(make):
    def made(self, *args, **options):
        make(self, *args, **options)
        # A worker sends its output every 5 s; nothing else of this server is made quicker.
        self.buffer_timeout = 0.1

    return made


if BotBase.__init__.__name__ != "made":
    BotBase.__init__ = _quick(BotBase.__init__)


def _checkout():
    return steps.Git(repourl=REPOSITORY, mode="incremental", name="checkout", logEnviron=False)


def _shell(name, *command, **options):
    return steps.ShellCommand(name=name, command=list(command), logEnviron=False, haltOnFailure=True, **options)


CHECKED = util.BuildFactory([_checkout(), _shell("lint", "true"), _shell("test", "sh", "check.sh")])
TRAINED = util.BuildFactory(
    [
        _checkout(),
        _shell(
            "train", "sh", "-c", TRAIN, "train", util.Property("region", default="nowhere"),
            util.Property("rows", default="0"), util.Property("buildnumber"),
        ),
    ]
)  # fmt: skip
SOURCE = util.CodebaseParameter(
    "", repository=util.FixedParameter(name="repository", default=REPOSITORY),
    project=util.FixedParameter(name="project", default="fraud"),
)  # fmt: skip
PARAMETERS = [
    util.ChoiceStringParameter(name="region", label="Region", choices=["eu", "us"], default="eu"),
    util.IntParameter(name="rows", label="Rows", default=1000),
]
ADMINS = {"role": "admins", "defaultDeny": True}

BuildmasterConfig = {
    "title": "the tests' Buildbot",
    "buildbotURL": os.environ["DECK_URL"],
    "www": {
        "port": f"tcp:{os.environ['DECK_PORT']}:interface=127.0.0.1",
        "plugins": {},
        "change_hook_dialects": {"base": True},
        "auth": util.UserPasswordAuth({"ada": "word"}),
        "authz": util.Authz(
            allowRules=[
                util.ForceBuildEndpointMatcher(builder="guarded", **ADMINS),
                util.StopBuildEndpointMatcher(builder="guarded", **ADMINS),
            ],
            roleMatchers=[util.RolesFromUsername(roles=["admins"], usernames=["ada"])],
        ),
    },
    "db": {"db_url": f"sqlite:///{os.path.join(HERE, 'state.sqlite')}"},
    "buildbotNetUsageData": None,
    "protocols": {"null": {}},
    "workers": [worker.LocalWorker("local", max_builds=2), worker.Worker("away", "never")],
    "builders": [
        util.BuilderConfig(name="fraud-api", workernames=["local"], factory=CHECKED),
        util.BuilderConfig(name="train", workernames=["local"], factory=TRAINED, collapseRequests=False),
        util.BuilderConfig(name="arm", workernames=["away"], factory=CHECKED, collapseRequests=False),
        util.BuilderConfig(name="guarded", workernames=["local"], factory=CHECKED),
    ],
    "schedulers": [
        schedulers.AnyBranchScheduler(name="pushes", builderNames=["fraud-api"], treeStableTimer=None),
        schedulers.ForceScheduler(
            name="force", builderNames=["fraud-api", "arm", "guarded"], codebases=[SOURCE]
        ),
        schedulers.ForceScheduler(
            name="train-force", builderNames=["train"], codebases=[SOURCE], properties=PARAMETERS,
            buttonName="Train a model",
        ),
    ],
}  # fmt: skip
