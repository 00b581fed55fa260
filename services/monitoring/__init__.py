"""Charts that are true: each asks Log Analytics through one file of KQL and says what it cannot see.

charts        `Monitoring`, what the screens and other features ask
code_map      what each code means to the caller and in the container, and who can see it
own_requests  our probes and test requests as rows of the charts
trust         how far the telemetry of some services can be trusted now
versions      which model versions ran when
"""

from services.monitoring.charts import BLIND_SPOTS, ChartName, Leading, Monitoring
from services.monitoring.span import Span

__all__ = ["BLIND_SPOTS", "ChartName", "Leading", "Monitoring", "Span"]
