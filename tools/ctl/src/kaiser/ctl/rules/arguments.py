"""The verbs of ``kaiserctl rules`` and what each takes."""

from collections.abc import Sequence
from typing import Final

Option = tuple[str, dict[str, object]]  # a name and what argparse is told of it

ID: Final[Option] = ("rule_id", {"metavar": "RULE", "help": "id of the rule"})
REASON: Final[Option] = ("--reason", {"default": "", "help": "why"})
VERSION: Final[Option] = ("--version", {"type": int, "help": "by default the live one, else the newest"})
SPAN: Final[Sequence[Option]] = (
    ("--from", {"dest": "start", "required": True, "help": "ISO 8601 with offset, or unix seconds"}),
    ("--to", {"dest": "end", "help": "the same; now by default"}),
)
DRAFT: Final[Option] = ("--file", {"help": "rule in JSON that need not be defined, in place of a version"})
DRY: Final[Option] = ("--dry", {"action": "store_true", "help": "only say what is wrong"})

VERBS: Final[dict[str, tuple[str, Sequence[Option]]]] = {
    "list": (
        "rules and how they are",
        (
            ("--enabled", {"action": "store_true", "default": None, "help": "only those that are live"}),
            ("--disabled", {"action": "store_false", "dest": "enabled", "help": "only those that are not"}),
            ("--device", {"dest": "esp_id", "help": "only those that watch or switch something on it"}),
        ),
    ),
    "show": ("one rule", (ID, VERSION)),
    "import": (
        "define rules from YAML",
        (
            ("file", {"help": "- for standard input"}),
            DRY,
            ("--enable", {"action": "store_true", "help": "let them go live at once"}),
            REASON,
        ),
    ),
    "export": ("rules as YAML", (("rule_ids", {"nargs": "*", "metavar": "RULE", "help": "by default all"}),)),
    "enable": (
        "let a version go live",
        (
            ID,
            ("--version", {"type": int, "help": "by default the newest"}),
            ("--backtest", {"dest": "backtest_id", "default": "", "help": "id of its trial on the past"}),
            ("--override", {"default": "", "help": "why it goes live without one"}),
        ),
    ),
    "disable": ("let a rule rest", (ID, REASON)),
    "remove": ("take a rule away", (ID, REASON)),
    "test": (
        "whether it would run now, and why",
        (ID, ("--value", {"action": "append", "default": [], "metavar": "ESP/GPIO/TYPE=VALUE"}), DRAFT),
    ),
    "backtest": ("what a version would have done in the past", (ID, *SPAN, VERSION, DRAFT)),
    "whatif": (
        "what a version would have done otherwise than another",
        (ID, *SPAN, VERSION, DRAFT, ("--against", {"type": int, "help": "by default the live one"})),
    ),
    "runs": (
        "what rules did, newest first",
        (
            ("rule_id", {"nargs": "?", "metavar": "RULE", "help": "by default all of them"}),
            ("--outcome", {"choices": ("running", "succeeded", "failed", "cancelled", "skipped")}),
            ("--limit", {"type": int, "default": 20}),
        ),
    ),
    "why": (
        "why a rule runs or does not",
        (
            ID,
            ("--at", {"help": "at that moment: ISO 8601 with offset, or unix seconds"}),
            ("--run", {"dest": "run_id", "help": "why this run began"}),
        ),
    ),
    "templates": ("rules that most greenhouses want", ()),
}
"""Verb to what it does, and to what it takes."""
