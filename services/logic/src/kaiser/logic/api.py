"""Answers on ``command.logic.*`` and ``query.logic.*``."""

from collections.abc import Sequence

from kaiser.contracts import subjects
from kaiser.contracts.logic import (
    DefineRule,
    DisableRule,
    EnableRule,
    ExportRules,
    FillTemplate,
    ImportRules,
    RemoveRule,
    RuleQuery,
    RulesQuery,
    Template,
    TemplatesQuery,
    TestRule,
)
from kaiser.contracts.rules import Rule
from kaiser.logic import filling
from kaiser.logic.orders import Orders
from kaiser.logic.questions import Questions
from kaiser.service.answering import Requests


def ordered(orders: Orders) -> Requests:
    """What may be ordered."""
    return {
        subjects.command("logic", "define"): (DefineRule, orders.define),
        subjects.command("logic", "enable"): (EnableRule, orders.enable),
        subjects.command("logic", "disable"): (DisableRule, orders.disable),
        subjects.command("logic", "remove"): (RemoveRule, orders.remove),
        subjects.command("logic", "import"): (ImportRules, orders.import_all),
    }


def asked(questions: Questions) -> Requests:
    """What may be asked about rules as they are now, and is answered at once."""
    return {
        subjects.query("logic", "rules"): (RulesQuery, questions.rules),
        subjects.query("logic", "rule"): (RuleQuery, questions.rule),
        subjects.query("logic", "test"): (TestRule, questions.test),
        subjects.query("logic", "export"): (ExportRules, questions.export),
    }


def offered() -> Requests:
    """What may be asked about templates."""

    async def templates(asked: TemplatesQuery, now: int) -> Sequence[Template]:  # noqa: ARG001  # one face for all
        return filling.offered()

    async def fill(asked: FillTemplate, now: int) -> Rule:  # noqa: ARG001
        return filling.fill(asked)

    return {
        subjects.query("logic", "templates"): (TemplatesQuery, templates),
        subjects.query("logic", "fill"): (FillTemplate, fill),
    }
