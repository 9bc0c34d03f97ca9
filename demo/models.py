"""Flights from New York's three airports in 2013. Fields are named as in the data set.

`data/README.md` names the source. `NA` in the files is NULL here. Numbers with a fraction are
floats, which keep exactly the digits of the data set. A DecimalField would pad or cut them.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Airline(models.Model):
    carrier = models.CharField(_("code"), max_length=2, primary_key=True)
    name = models.CharField(_("name"), max_length=100)

    class Meta:
        verbose_name = _("airline")
        verbose_name_plural = _("airlines")
        ordering = ["name"]
        permissions = [("export_airline", "Can export airlines")]

    def __str__(self) -> str:
        return self.name


class Airport(models.Model):
    faa = models.CharField(_("FAA code"), max_length=3, primary_key=True)
    name = models.CharField(_("name"), max_length=100)
    lat = models.FloatField(_("latitude"))
    lon = models.FloatField(_("longitude"))
    alt = models.SmallIntegerField(_("altitude"), help_text=_("In feet."))
    tz = models.SmallIntegerField(_("UTC offset"), help_text=_("In hours, in winter."))
    dst = models.CharField(
        _("daylight saving time"),
        max_length=1,
        choices={"A": _("as in the US"), "N": _("none"), "U": _("unknown")},
    )
    tzone = models.CharField(_("time zone"), max_length=50, null=True)  # noqa: DJ001 - NA is NULL

    class Meta:
        verbose_name = _("airport")
        verbose_name_plural = _("airports")
        ordering = ["faa"]
        permissions = [("export_airport", "Can export airports")]

    def __str__(self) -> str:
        return f"{self.faa} {self.name}"


class Plane(models.Model):
    tailnum = models.CharField(_("tail number"), max_length=6, primary_key=True)
    year = models.SmallIntegerField(_("year built"), null=True)
    type = models.CharField(_("type"), max_length=50)
    manufacturer = models.CharField(_("manufacturer"), max_length=50)
    model = models.CharField(_("model"), max_length=50)
    engines = models.SmallIntegerField(_("engines"))
    seats = models.SmallIntegerField(_("seats"))
    speed = models.SmallIntegerField(_("cruising speed"), null=True, help_text=_("In mph."))
    engine = models.CharField(_("engine type"), max_length=50)

    class Meta:
        verbose_name = _("plane")
        verbose_name_plural = _("planes")
        ordering = ["tailnum"]
        permissions = [("export_plane", "Can export planes")]

    def __str__(self) -> str:
        return self.tailnum


class Flight(models.Model):
    """A scheduled departure. `id` is its position in the data set, the same in all databases.

    Times of day are numbers such as 517 for 5:17, in the time zone of the airport. A TimeField
    cannot hold them, because midnight is 2400. A cancelled flight has no `dep_time`.
    """

    date = models.DateField(
        _("date"), db_index=True, help_text=_("The day of the scheduled departure, in New York.")
    )
    time_hour = models.DateTimeField(
        _("scheduled hour"), help_text=_("The hour of the scheduled departure. Joins the weather.")
    )
    carrier = models.ForeignKey(
        Airline, on_delete=models.PROTECT, related_name="flights", verbose_name=_("carrier")
    )
    flight = models.SmallIntegerField(_("flight number"))
    tailnum = models.CharField(_("tail number"), max_length=6, null=True)  # noqa: DJ001 - NA is NULL
    # The data set lacks the planes of 50 094 flights with a tail number, and the airports of 7 602
    # flights to Puerto Rico and the Virgin Islands. So the codes are stored, too.
    # Because of null=True, each join is a LEFT JOIN, so that no export drops a flight.
    plane = models.ForeignKey(
        Plane,
        null=True,
        on_delete=models.PROTECT,
        related_name="flights",
        db_index=False,
        verbose_name=_("plane"),
    )
    origin = models.ForeignKey(
        Airport, on_delete=models.PROTECT, related_name="departures", verbose_name=_("origin")
    )
    dest_code = models.CharField(_("destination code"), max_length=3, db_index=True)
    dest = models.ForeignKey(
        Airport,
        null=True,
        on_delete=models.PROTECT,
        related_name="arrivals",
        db_index=False,
        verbose_name=_("destination"),
    )
    sched_dep_time = models.SmallIntegerField(_("scheduled departure"))
    dep_time = models.SmallIntegerField(_("departure"), null=True)
    dep_delay = models.SmallIntegerField(_("departure delay"), null=True, help_text=_("Minutes."))
    sched_arr_time = models.SmallIntegerField(_("scheduled arrival"))
    arr_time = models.SmallIntegerField(_("arrival"), null=True)
    arr_delay = models.SmallIntegerField(_("arrival delay"), null=True, help_text=_("Minutes."))
    air_time = models.SmallIntegerField(_("time in the air"), null=True, help_text=_("Minutes."))
    distance = models.SmallIntegerField(_("distance"), help_text=_("Miles."))

    class Meta:
        verbose_name = _("flight")
        verbose_name_plural = _("flights")
        permissions = [("export_flight", "Can export flights")]

    def __str__(self) -> str:
        return f"{self.carrier_id} {self.flight}, {self.date:%Y-%m-%d}"


class Weather(models.Model):
    """An hour at one of the three airports, in the units of the US."""

    origin = models.ForeignKey(
        Airport,
        on_delete=models.PROTECT,
        related_name="weather",
        db_index=False,  # The index of the constraint begins with this column.
        verbose_name=_("airport"),
    )
    time_hour = models.DateTimeField(_("hour"))
    temp = models.FloatField(_("temperature"), null=True, help_text=_("°F."))
    dewp = models.FloatField(_("dew point"), null=True, help_text=_("°F."))
    humid = models.FloatField(_("humidity"), null=True, help_text=_("Percent."))
    wind_dir = models.SmallIntegerField(_("wind direction"), null=True, help_text=_("Degrees."))
    wind_speed = models.FloatField(_("wind speed"), null=True, help_text=_("In mph."))
    wind_gust = models.FloatField(_("gust speed"), null=True, help_text=_("In mph."))
    precip = models.FloatField(_("precipitation"), help_text=_("Inches."))
    pressure = models.FloatField(_("pressure"), null=True, help_text=_("Millibars, at sea level."))
    visib = models.FloatField(_("visibility"), help_text=_("Miles."))

    class Meta:
        verbose_name = _("hour of weather")
        verbose_name_plural = _("hours of weather")
        permissions = [("export_weather", "Can export the weather")]
        constraints = [
            models.UniqueConstraint(fields=["origin", "time_hour"], name="one_weather_an_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.origin_id}, {self.time_hour:%Y-%m-%d %H:%M} UTC"
