"""What networks are computed in: by the kind of device, the same each time, and never unsaid."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch
from engine import config, tiny_forecaster, tiny_samples
from market import small_study

from dvol_utils.pages.training import arithmetic_text
from dvol_utils.training import devices
from dvol_utils.training.checkpoints.resume import TrainState
from dvol_utils.training.devices import Arithmetic, Place, chosen_arithmetic
from dvol_utils.training.loop import TrainingError
from dvol_utils.training.run import _check_alike, train_checkpoint

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
AMD, INTEL = "AuthenticAMD", "GenuineIntel"
SHORT = {"training.epochs": 2, "training.patience": 2}

# Training itself needs the instructions, whatever the fixture `machine` says.
trains_in_bfloat16 = pytest.mark.skipif(
    not devices._has_bfloat16("cpu"), reason="this processor has no bfloat16"
)


@pytest.fixture
def machine(monkeypatch):
    """A machine with these instructions, of this maker; by default without bfloat16."""

    def build(*instructions: str, vendor: str = INTEL, has: bool = True) -> None:
        for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(devices, "_has_bfloat16", lambda kind: has)
        monkeypatch.setattr(devices, "_vendor", lambda: vendor)
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda: dict.fromkeys(instructions, True)
        )

    return build


def chosen(precision: str = "auto", device: torch.device = CPU) -> Arithmetic:
    return chosen_arithmetic(device, small_study(**{"training.precision": precision}).training)


@pytest.mark.parametrize(
    ("instructions", "vendor", "name", "reason"),
    [
        (("avx512_bf16", "amx_bf16"), INTEL, "bfloat16", "auto: the processor has AMX"),
        (("avx512_bf16",), AMD, "bfloat16", "auto: an AMD processor with AVX512_BF16"),
        (("avx512_bf16",), INTEL, "float32", "auto: the processor has bfloat16, but is not"),
        (("arm_bf16",), "", "float32", "auto: the processor has bfloat16, but is not"),
        ((), AMD, "float32", "auto: the processor has bfloat16, but is not"),
    ],
)
def test_auto_goes_by_the_kind_of_processor(machine, instructions, vendor, name, reason):
    machine(*instructions, vendor=vendor)
    assert chosen().name == name
    assert chosen().reason.startswith(reason)
    assert chosen() == chosen()


@pytest.mark.parametrize("vendor", [AMD, INTEL])
def test_auto_leaves_instructions_alone_that_the_environment_forbids(machine, monkeypatch, vendor):
    machine("avx512_bf16", "amx_bf16", vendor=vendor)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
    assert chosen().name == "float32"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "default")
    assert chosen().name == "bfloat16"


def test_a_gpu_goes_by_what_it_has(machine):
    machine()
    assert str(chosen(device=GPU)) == "bfloat16 (auto: this GPU computes it natively)"
    machine(has=False)
    assert str(chosen(device=GPU)) == "float32 (this device has no instructions for bfloat16)"


def test_a_precision_that_is_set_wins(machine):
    machine("avx512_bf16")  # where auto would say float32
    assert chosen("bfloat16").name == "bfloat16"
    machine("avx512_bf16", vendor=AMD)  # where it would say bfloat16
    assert chosen("float32").name == "float32"
    machine("avx512_bf16", vendor=AMD, has=False)
    assert chosen("bfloat16").name == "float32"  # emulated otherwise


@pytest.mark.skipif(platform.system() != "Linux", reason="/proc/cpuinfo is Linux's")
def test_the_maker_is_the_one_that_the_system_names():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = {line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")}
    assert {devices._vendor()} == (named or {""})


def test_auto_and_the_precision_it_comes_to_are_the_same_network(tmp_path, machine, tiny_ladder):
    machine("avx512_bf16")
    first = tiny_forecaster(tmp_path, **SHORT, **{"training.precision": "auto"})
    first.fit(tiny_samples())
    written = (tmp_path / "checkpoint/config.json").stat().st_mtime_ns
    assert config(tmp_path)["arithmetic"] == "float32"
    assert "not known to be faster" in config(tmp_path)["arithmetic_because"]
    tiny_forecaster(tmp_path, **SHORT, **{"training.precision": "float32"}).fit(tiny_samples())
    assert (tmp_path / "checkpoint/config.json").stat().st_mtime_ns == written


@trains_in_bfloat16
@pytest.mark.parametrize(
    ("now", "taken"),
    [("auto", True), ("bfloat16", True), ("float32", False)],
)
def test_a_checkpoint_of_another_machine_is_taken_unless_the_study_forbids_it(
    tmp_path, machine, tiny_ladder, now, taken
):
    """Trained where bfloat16 is fast, and carried to where auto would say float32."""
    machine("avx512_bf16", vendor=AMD)
    tiny_forecaster(tmp_path, **SHORT, **{"training.precision": "auto"}).fit(tiny_samples())
    assert config(tmp_path)["arithmetic"] == "bfloat16"
    machine(has=False)
    tiny_forecaster(tmp_path, **SHORT, **{"training.precision": now}).fit(tiny_samples())
    assert config(tmp_path)["arithmetic"] == ("bfloat16" if taken else "float32")


@trains_in_bfloat16
def test_a_state_in_one_arithmetic_does_not_go_on_in_another(tmp_path, machine, tiny_ladder):
    changes = {**SHORT, "training.precision": "auto", "training.keep_seconds": 0}

    def crash(row):
        raise ArithmeticError

    machine("avx512_bf16", vendor=AMD)
    with pytest.raises(ArithmeticError):
        train_checkpoint(tiny_forecaster(tmp_path, **changes), tiny_samples(), on_epoch=crash)
    machine(has=False)
    of = tiny_forecaster(tmp_path, **changes).fingerprint(tiny_samples(), 1, "float32")
    assert TrainState(tmp_path / "checkpoint", of, keep_seconds=0).load() is None


@trains_in_bfloat16
def test_the_page_says_when_networks_were_not_trained_alike(tmp_path, machine, tiny_ladder):
    folders = []
    for number, vendor in enumerate([AMD, AMD, INTEL]):
        machine("avx512_bf16", vendor=vendor)
        place = tmp_path / f"{number}"
        tiny_forecaster(place, **SHORT, **{"training.precision": "auto"}).fit(tiny_samples())
        folders.append(place / "checkpoint")
    here = chosen()
    low, high = str(Arithmetic(**_how(folders[0]))), str(here)
    assert arithmetic_text([], here) == ""
    assert arithmetic_text(folders[2:], here) == f"Networks were trained in {high}."
    assert arithmetic_text(folders[:1], here) == (
        f"Networks were trained in {low}. This machine chooses {high}, and their forecasts were "
        "computed so."
    )
    assert arithmetic_text(folders, here) == (
        f"Networks were not all trained alike: 2 in {low}, 1 in {high}. This machine chooses "
        f"{high}, and their forecasts were computed so."
    )


def _how(folder: Path) -> dict[str, str]:
    kept = config(folder.parent)
    return {"name": kept["arithmetic"], "reason": kept["arithmetic_because"]}


def test_processes_on_unlike_machines_do_not_share_a_network():
    class Two(Place):
        def total(self, values):
            return values + 0.0  # the other process computes in float32

    place = Two(CPU, rank=0, processes=2)
    _check_alike(Arithmetic("float32", ""), place)
    with pytest.raises(TrainingError, match=r"set training\.precision to float32 or bfloat16"):
        _check_alike(Arithmetic("bfloat16", ""), place)


def test_the_default_is_auto():
    assert small_study().training.precision == "auto"
