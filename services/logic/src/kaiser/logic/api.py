"""Answers on ``command.logic.*`` and ``query.logic.*``."""

from collections.abc import Sequence

from kaiser.contracts import subjects
from kaiser.contracts.logic import (
    Backtest,
    DefineRule,
    DisableRule,
    EnableRule,
    ExplainQuery,
    ExportRules,
    FillTemplate,
    ImportRules,
    RemoveRule,
    RuleQuery,
    RulesQuery,
    RunQuery,
    RunsQuery,
    RunView,
    Template,
    TemplatesQuery,
    TestRule,
    WhatIf,
)
from kaiser.contracts.past import StateAtQuery
from kaiser.contracts.rules import Rule
from kaiser.logic import filling
from kaiser.logic.as_of import AsOf
from kaiser.logic.orders import Orders
from kaiser.logic.queries import Queries
from kaiser.logic.questions import Questions
from kaiser.logic.trials import Trials
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


def recorded(queries: Queries) -> Requests:
    """What may be asked of the tables."""

    async def run(asked: RunQuery, now: int) -> RunView:  # noqa: ARG001  # one face for all
        return await queries.run(asked.rule_id, asked.run_id)

    return {
        subjects.query("logic", "runs"): (RunsQuery, queries.runs),
        subjects.query("logic", "run"): (RunQuery, run),
    }


def bygone(as_of: AsOf) -> Requests:
    """What may be asked about what was."""
    return {subjects.query("logic", "state_at"): (StateAtQuery, as_of.state_at)}


def patiently(questions: Questions, trials: Trials) -> Requests:
    """What may be asked about the past, which takes its time."""
    return {
        subjects.query("logic", "explain"): (ExplainQuery, questions.explain),
        subjects.query("logic", "backtest"): (Backtest, trials.backtest),
        subjects.query("logic", "whatif"): (WhatIf, trials.whatif),
    }
