"""The region of a person, by the country in the language settings of this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

REGIONS = ("North America", "Europe", "Asia", "Oceania", "South America", "Africa", "Middle East")
"""As RunPod names the regions of its data centers."""

_COUNTRIES = {
    "North America": "US CA MX PR",
    "Europe": "AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LT LU LV MD MT NL NO PL PT RO RS SE SI SK UA",
    "Asia": "BD CN HK ID IN JP KR LK MO MY PH PK SG TH TW VN",
    "Oceania": "AU NZ",
    "South America": "AR BO BR CL CO EC PE PY UY VE",
    "Africa": "DZ EG GH KE MA NG TN ZA",
    "Middle East": "AE BH IL JO KW LB OM QA SA TR",
}


def region_of(environ: Mapping[str, str] = os.environ) -> str | None:
    """The region for `LC_ALL=de_DE.UTF-8` and the like, the strongest variable first. None if no country is named."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        found = re.match(r"[a-z]{2,3}_([A-Z]{2})(?=[.@]|\Z)", environ.get(name, ""))
        if found:
            country = found[1]
            return next((region for region, codes in _COUNTRIES.items() if country in codes.split()), None)
    return None
