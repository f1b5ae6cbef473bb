"""Answers on ``command.logic.*`` and ``query.logic.*``."""

from kaiser.contracts import subjects
from kaiser.contracts.logic import (
    DefineRule,
    DisableRule,
    EnableRule,
    ExplainQuery,
    ImportRules,
    RemoveRule,
    RuleQuery,
    RulesQuery,
    TestRule,
)
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
    """What may be asked about rules as they are now."""
    return {
        subjects.query("logic", "rules"): (RulesQuery, questions.rules),
        subjects.query("logic", "rule"): (RuleQuery, questions.rule),
        subjects.query("logic", "explain"): (ExplainQuery, questions.explain),
        subjects.query("logic", "test"): (TestRule, questions.test),
    }
