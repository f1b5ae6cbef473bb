import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[3] / "libs/physics/README.md").read_text(encoding="utf-8")
USE, PLUGIN = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(text):
    scope = {}
    exec(text, scope)
    return scope


def test_the_example_gives_what_it_says():
    scope = run(USE)
    assert (round(scope["value"], 2), scope["quality"], scope["flag"]) == (5.71, "good", "")


def test_the_plugin_of_the_readme_is_a_family():
    turbidity = run(PLUGIN)["TURBIDITY"]
    assert turbidity.make()(3600, None) == (pytest.approx(300), "good", "")
    assert turbidity.make()(4095, None) == (None, "error", "out_of_range")
    assert turbidity.parse() == turbidity.parameters()


def test_it_names_every_code_and_every_flag_that_there_is():
    package = Path(__file__).parents[3] / "libs/physics/src/kaiser/physics"
    source = "".join(path.read_text(encoding="utf-8") for path in package.glob("*.py"))
    codes = set(re.findall(r'CalibrationError\(\s*"(\w+)"', source))
    assert codes == set(re.findall(r"`(\w+)`", README.partition("Refused calibrations")[2].partition("## ")[0])) - {
        "CalibrationError"
    }
