"""Pages of the libraries we use, in the look of our own."""

from typing import Any

from axes.admin import AccessAttemptAdmin
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django_celery_beat.admin import (
    CrontabScheduleAdmin,
    PeriodicTaskAdmin,
    PeriodicTaskForm,
    TaskSelectWidget,
)
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from tenants.admin_pages import Page

# Schedules by the sun or by one moment are not used here; log-ins that went well are in the audit trail.
for model in (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
    Group,
    AccessAttempt,
    AccessFailureLog,
    AccessLog,
):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Group)
class PeopleGroupAdmin(GroupAdmin, Page):
    """What the people of a group may do."""

    empty_help = "Run manage.py grant_groups: it makes operator, auditor and support."
    list_help = (
        "What groups of people may do. manage.py grant_groups makes operator, auditor and support as they "
        "should be."
    )
    form_help = (
        "What is added here stays; what these groups should have and lack, manage.py grant_groups gives back."
    )


class TaskWidget(UnfoldAdminSelectWidget, TaskSelectWidget):
    """The tasks that there are, in the look of the other choices."""


class TaskForm(PeriodicTaskForm):
    """Beat's, whose two own fields would keep Django's look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["regtask"].widget = TaskWidget()
        self.fields["task"].widget = UnfoldAdminTextInputWidget()


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin, Page):
    """What runs by itself, and when. The template is without beat's inline script, which our policy blocks."""

    list_help = (
        "What runs by itself, and when it last did. The upkeep that the product needs is made again at each "
        "start."
    )
    form_help = "One of interval and crontab says when. Times are UTC unless a crontab has another time zone."
    empty_help = "The scheduler makes its own rows when it first starts."
    list_display = ["name", "enabled", "scheduler", "last_run_at", "total_run_count"]
    list_filter = ["enabled"]
    search_help_text = "A part of a name or task"
    form = TaskForm
    change_form_template = "admin/change_form.html"
    date_hierarchy = None


@admin.register(CrontabSchedule)
class CrontabAdmin(CrontabScheduleAdmin, Page):
    """Times by the calendar."""

    list_help = "Times by the calendar, for schedules and retention policies."
    form_help = "As in cron: minute, hour, day of month, month, day of week; * is every one."
    empty_help = "Add the times that a policy should run at, then choose them there."

    inlines: list[Any] = []


@admin.register(IntervalSchedule)
class IntervalAdmin(Page):
    """Times by the clock."""

    list_help = "Times by the clock, for schedules and retention policies."
    form_help = "Every so many of these, counted from the last time."
    empty_help = "Add how often a policy should run, then choose it there."


@admin.register(AccessAttempt)
class FailedLogInAdmin(AccessAttemptAdmin, Page):
    """From where passwords were guessed."""

    list_help = (
        "Failed log-ins to this admin, by address. After five an address is locked out for 15 minutes."
    )
    form_help = "Delete it to let the address in again at once. Passwords are not kept."
    empty_help = "Nobody has failed to log in. That is how it should be."

    date_hierarchy = None
